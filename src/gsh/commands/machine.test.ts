import { expect, test } from 'vitest';
import { mountsIn } from './df.ts';
import { nameServersIn, routesIn } from './net.ts';

test('routes and name servers as the kernel and dhcp write them', () => {
  const text = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    '',
  ].join('\n');
  expect(routesIn(text)).toEqual([
    { to: 'default', via: '10.0.2.2', interface: 'eth0' },
    { to: '10.0.2.0/24', interface: 'eth0' },
  ]);
  expect(routesIn('')).toEqual([]);
  expect(nameServersIn('search lan\nnameserver 10.0.2.3\nnameserver ::1\n')).toEqual(['10.0.2.3', '::1']);
});

test('file systems that hold files, without the views that containers have of them', () => {
  const text = [
    'overlay / overlay rw 0 0',
    'proc /proc proc rw 0 0',
    'tmpfs /run tmpfs rw 0 0',
    '/dev/vdb /var/lib/gantry ext4 rw 0 0',
    '/dev/vda /gantry squashfs ro 0 0',
    'overlay /run/gantry/containers/web/rootfs overlay rw 0 0',
    'tmpfs /run/gantry/volumes tmpfs rw 0 0',
    '/dev/sda1 /media/my\\040stick vfat rw 0 0',
    'tmpfs /dev/shm tmpfs rw 0 0',
  ].join('\n');
  expect(mountsIn(text).map(({ path }) => path)).toEqual([
    '/',
    '/run',
    '/var/lib/gantry',
    '/gantry',
    '/media/my stick',
  ]);
});
