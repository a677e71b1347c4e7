import { expect, test } from 'vitest';
import { boardFor } from './boards.ts';
import { type QemuPlan, qemuArguments } from './qemu-args.ts';

const plan: QemuPlan = {
  board: boardFor('amd64'),
  name: 'demo',
  imageDir: '/images/demo',
  cmdline: 'console=ttyS0 quiet',
  memory: 1024,
  cpus: 2,
  acceleration: 'tcg',
  serialSocket: '/run/a,b/serial.sock',
  monitorSocket: '/run/monitor.sock',
  consoleLog: '/run/console.log',
};

/** Values of an option, in order. */
function values(args: string[], option: string): string[] {
  return args.flatMap((arg, index) => (arg === option ? [args[index + 1] ?? ''] : []));
}

test('boots the image’s kernel with its root image read-only', () => {
  const args = qemuArguments(plan);
  expect(values(args, '-kernel')).toEqual(['/images/demo/kernel']);
  expect(values(args, '-initrd')).toEqual(['/images/demo/initrd.img']);
  expect(values(args, '-append')).toEqual(['console=ttyS0 quiet']);
  expect(values(args, '-drive')).toEqual(['if=none,id=root,file=/images/demo/root.img,format=raw,readonly=on']);
  expect(args).not.toContain('-no-reboot');
});

test('there is a watchdog that resets the machine', () => {
  expect(values(qemuArguments(plan), '-device')).toContain('i6300esb');
  expect(values(qemuArguments({ ...plan, board: boardFor('arm64') }), '-device')).toContain('i6300esb');
});

test('without forwards there is no network card', () => {
  const args = qemuArguments(plan);
  expect(values(args, '-nic')).toEqual(['none']);
  expect(args.join(' ')).not.toContain('virtio-net');
});

test('forwards listen on the loopback interface only', () => {
  const args = qemuArguments({
    ...plan,
    forwards: [
      { host: 2222, guest: 22 },
      { host: 8080, guest: 80 },
    ],
  });
  expect(values(args, '-netdev')).toEqual([
    'user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8080-:80',
  ]);
  expect(values(args, '-nic')).toEqual([]);
});

test('the data disk is the second one', () => {
  const args = qemuArguments({ ...plan, dataDisk: '/disks/demo.ext4' });
  expect(values(args, '-drive')[1]).toContain('file=/disks/demo.ext4');
  expect(values(args, '-device').filter((device) => device.startsWith('virtio-blk'))).toEqual([
    'virtio-blk-pci,drive=root,serial=gantry-root',
    'virtio-blk-pci,drive=data,serial=gantry-data',
  ]);
});

test('commas in paths are not the end of a value', () => {
  expect(values(qemuArguments(plan), '-chardev')[0]).toContain('path=/run/a,,b/serial.sock,server=on');
});

test.each([
  ['kvm', 'kvm', 'host'],
  ['tcg', 'tcg,thread=multi', 'max'],
  ['tcg-single', 'tcg,thread=single', 'max'],
] as const)('acceleration %s', (acceleration, accel, cpu) => {
  const args = qemuArguments({ ...plan, acceleration });
  expect(values(args, '-accel')).toEqual([accel]);
  expect(values(args, '-cpu')).toEqual([cpu]);
});
