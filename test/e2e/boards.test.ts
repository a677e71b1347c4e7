import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../../src/emulator/index.ts';
import { connectLine, storm } from '../soak/lines/storm.ts';
import { composeForBoard, sayWithTime } from './support/compose.ts';
import { gantry, gantryJson, gantryOk } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { openTerminal, type Terminal } from './support/terminal.ts';
import { until } from './support/until.ts';

const say = sayWithTime();
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('a Raspberry Pi 3 over its serial line', () => {
  let machine: Machine;
  let image: string;
  const on = (...args: string[]) => ['-d', machine.target, ...args];
  const onDevice = (script: string) => gantryOk(...on('sh', '-c', script));

  beforeAll(async () => {
    image = await composeForBoard('raspi3b', say);
    machine = await boot('arm64', 'serial', { name: 'e2e-raspi3b', image, data: true });
    await machine.untilHealthy(240);
  }, 400_000);
  afterAll(async () => machine?.stop());

  it('lists its components', async () => {
    expect((await machine.components()).map((c) => c.name).sort()).toEqual(['base', 'init', 'kernel', 'web']);
    expect(await gantryOk(...on('ps'))).toMatch(/web +web:1 +running/);
    expect(await onDevice('tr -d "\\0" </proc/device-tree/model')).toMatch(/^Raspberry Pi 3 Model B/);
  });

  it('has its boot partition as the image’s folder has it', async () => {
    // Linux's own FAT reads what ours wrote.
    const sums = await onDevice(
      'mkdir /run/boot && mount -t vfat -o ro /dev/mmcblk0p1 /run/boot && cd /run/boot && sha256sum kernel initrd.img bcm2837-rpi-3-b.dtb',
    );
    const files = ['kernel', 'initrd.img', 'device-tree.dtb'].map((file) => sha256(join(image, file)));
    expect(sums.split('\n').map((line) => line.split(' ')[0])).toEqual(files);
    const config = await onDevice('cat /run/boot/config.txt /run/boot/cmdline.txt; umount /run/boot');
    expect(config).toContain('arm_64bit=1');
    expect(config).toMatch(/^console=ttyAMA0,115200 .*gantry\.image=[0-9a-f]{16}/m);
  });

  it('has made its data partition of the rest of the card', async () => {
    expect(await gantryJson<{ persistent: boolean }>(...on('info'))).toMatchObject({ persistent: true });
    const [label, table, kilobytes] = (
      await onDevice(
        'findfs LABEL=gantry-data; hexdump -v -s 482 -n 1 -e \'1/1 "%02x\\n"\' /dev/mmcblk0; df -k /var/lib/gantry | tail -n 1',
      )
    ).split('\n');
    expect(label).toBe('/dev/mmcblk0p3');
    expect(table).toBe('83');
    expect(Number(kilobytes?.trim().split(/ +/)[1])).toBeGreaterThan(200_000);
  });

  it('shows logs and restarts', async () => {
    const before = await machine.component('web');
    await gantryOk(...on('restart', 'web'));
    const after = await until('web to be healthy', 60, async () => {
      const now = await machine.component('web');
      return now.health === 'healthy' && now;
    });
    expect(after.pid).not.toBe(before.pid);
    expect(await gantryOk(...on('logs', 'web'))).toContain('"GET /health HTTP/1.1" 200');
  });

  it('answers every call and shows every line while its kernel prints', async () => {
    const line = await connectLine('e2e-raspi3b');
    try {
      const { calls, missingOnLine, missingInLog } = await storm(line, 50);
      expect({ missingOnLine, missingInLog }).toEqual({ missingOnLine: [], missingInLog: [] });
      expect(calls).toBeGreaterThan(2);
    } finally {
      await line.close();
    }
  });

  it('swaps its web server', async () => {
    const page = () => gantryOk(...on('exec', 'web', 'wget', '-q', '-O', '-', 'http://127.0.0.1/'));
    expect(await page()).toContain('version 1');
    expect(await gantry(...on('swap', 'web', machine.web('2')))).toMatchObject({ code: 0 });
    expect(await page()).toContain('version 2');
    expect(await machine.component('web')).toMatchObject({ image: 'web:2', health: 'healthy' });
  });
});

describe('a device behind U-Boot', () => {
  let machine: Machine;
  let terminal: Terminal;

  beforeAll(async () => {
    const image = await composeForBoard('virt-uboot', say);
    const beforeBoot = async ({ name }: Instance) => {
      terminal = openTerminal(['-d', `qemu:${name}?via=serial`, 'console']);
      // Nothing answers: keys go to the line as they are.
      await terminal.sees('the bare line');
    };
    machine = await boot('arm64', 'serial', { name: 'e2e-uboot', image, beforeBoot });
  }, 300_000);
  afterAll(async () => {
    terminal?.kill();
    await machine?.stop();
  });

  it('is interrupted at its prompt from the console, and boots on', async () => {
    await terminal.sees('Hit any key to stop autoboot');
    terminal.type(' ');
    await terminal.sees('=> ');
    terminal.type('setexpr answer 6 * 7; printenv answer\r');
    // U-Boot counts in hexadecimal digits.
    await terminal.sees('answer=2a');
    terminal.type('boot\r');
    await terminal.sees('extlinux.conf');
    await terminal.sees('Starting kernel', 120);
  });

  it('has a shell on the same console once it is up', async () => {
    await terminal.sees('the device answers', 120);
    await terminal.sees('r0> ', 60);
    terminal.type('info\r');
    await terminal.sees('arm64', 60);
    terminal.type('\x14q');
    expect(await terminal.exit).toBe(0);
  });

  it('has its link afterwards', async () => {
    await machine.untilHealthy(240);
    expect(await machine.component('web')).toMatchObject({ image: 'web:1', state: 'running' });
    expect(await gantryOk('-d', machine.target, 'sh', '-c', 'cat /proc/cmdline')).toContain('gantry.image=');
  });
});
