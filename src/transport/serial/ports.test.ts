import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { listPorts } from './ports.ts';

const root = mkdtempSync(join(tmpdir(), 'gantry-ports-'));
afterAll(() => rmSync(root, { recursive: true }));

function file(path: string, content = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

function folder(path: string): void {
  mkdirSync(join(root, path), { recursive: true });
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

test('ports have the name that stays, their driver and who has them; what is no hardware is left out', () => {
  const id = 'usb-FTDI_FT232R_USB_UART_A1B2C3D4-if00-port0';
  file('dev/ttyUSB0');
  link(`dev/serial/by-id/${id}`, '../../ttyUSB0');
  link('dev/serial/by-path/pci-0000:00:14.0-usb-0:2:1.0-port0', '../../ttyUSB0');
  folder('drivers/ftdi_sio');
  folder('sys/class/tty/ttyUSB0/device');
  link('sys/class/tty/ttyUSB0/device/driver', join(root, 'drivers/ftdi_sio'));
  folder('sys/class/tty/ttyS0/device');
  file('sys/class/tty/ttyS0/type', '4\n');
  folder('sys/class/tty/ttyS1/device');
  file('sys/class/tty/ttyS1/type', '0\n');
  folder('sys/class/tty/ttyACM9/device');
  folder('sys/class/tty/tty1');
  file('proc/4242/comm', 'picocom\n');
  link('proc/4242/fd/3', '/dev/ttyS0');
  file('locks/LCK..ttyUSB0', `${String(process.pid).padStart(10)}\n`);
  file(`proc/${process.pid}/comm`, 'gantry\n');
  expect(listPorts(root, [join(root, 'locks')])).toEqual([
    {
      path: `/dev/serial/by-id/${id}`,
      device: '/dev/ttyUSB0',
      driver: 'ftdi_sio',
      holder: { pid: process.pid, program: 'gantry' },
    },
    { path: '/dev/ttyACM9', device: '/dev/ttyACM9', driver: '' },
    { path: '/dev/ttyS0', device: '/dev/ttyS0', driver: '', holder: { pid: 4242, program: 'picocom' } },
  ]);
});

test('a machine without any has none', () => {
  expect(listPorts(join(root, 'nothing'), [])).toEqual([]);
});
