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

test('the writes of the data disk can be recorded', () => {
  const args = qemuArguments({ ...plan, dataDisk: '/disks/a,b.ext4', dataWriteLog: '/tmp/writes.log' });
  expect(values(args, '-drive')[1]).toBe(
    'if=none,id=data,driver=blklogwrites,file.driver=file,file.filename=/disks/a,,b.ext4,' +
      'log.driver=file,log.filename=/tmp/writes.log',
  );
});

test('a Raspberry Pi has its card, its device tree, and only what such a board has', () => {
  const board = boardFor('arm64', 'raspi3b');
  const args = qemuArguments({ ...plan, board });
  expect(values(args, '-machine')).toEqual(['raspi3b']);
  expect(values(args, '-dtb')).toEqual(['/images/demo/device-tree.dtb']);
  expect(values(args, '-drive')).toEqual(['if=sd,file=/images/demo/disk.img,format=raw,snapshot=on']);
  expect(values(args, '-m')).toEqual(['1024M']);
  expect(values(args, '-smp')).toEqual(['4']);
  for (const option of ['-device', '-cpu']) expect(args).not.toContain(option);
  expect(values(qemuArguments({ ...plan, board, dataDisk: '/disks/pi.img' }), '-drive')).toEqual([
    'if=sd,file=/disks/pi.img,format=raw,discard=unmap',
  ]);
});

test('U-Boot finds the kernel on the disk', () => {
  const args = qemuArguments({ ...plan, board: boardFor('arm64', 'virt-uboot') });
  expect(values(args, '-bios')).toEqual(['/images/demo/u-boot.bin']);
  expect(values(args, '-drive')).toEqual(['if=none,id=disk,file=/images/demo/disk.img,format=raw,snapshot=on']);
  expect(values(args, '-device')).toContain('virtio-blk-pci,drive=disk,serial=gantry-disk');
  for (const option of ['-kernel', '-initrd', '-append', '-dtb']) expect(args).not.toContain(option);
});
