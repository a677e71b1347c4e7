import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openWatchdog } from './watchdog-device.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-watchdog-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The files of a watchdog, with which everything but the hardware can be seen; the real one is on a booted machine. */
function files(name: string, options: number) {
  const device = join(folder, name);
  const attributes = join(folder, 'sys', name);
  mkdirSync(attributes, { recursive: true });
  writeFileSync(device, '');
  writeFileSync(join(attributes, 'timeout'), '60\n');
  writeFileSync(join(attributes, 'options'), `0x${options.toString(16)}\n`);
  writeFileSync(join(attributes, 'nowayout'), '0\n');
  return { device, attributes, paths: { devices: ['/nowhere/watchdog0', device], sysfs: join(folder, 'sys') } };
}

test('it is fed, disarmed by the letter V alone, and left armed otherwise', async () => {
  const { device, attributes, paths } = files('watchdog0', 0x8180);
  const left = await openWatchdog(60, paths);
  left?.feed();
  left?.close({ disarm: false });
  expect(readFileSync(device, 'latin1')).toBe('\0');
  const disarmed = await openWatchdog(60, paths);
  expect(disarmed).toMatchObject({ path: device, timeoutSeconds: 60 });
  disarmed?.close({ disarm: true });
  expect(readFileSync(device, 'latin1')).toBe('V');
  expect(readFileSync(join(attributes, 'nowayout'), 'latin1')).toBe('0\n');
});

test('one that would stop when this process is killed is told never to stop', async () => {
  const { attributes, paths } = files('watchdog1', 0x8080);
  (await openWatchdog(60, paths))?.close({ disarm: false });
  expect(readFileSync(join(attributes, 'nowayout'), 'latin1')).toBe('1');
});

test('a machine without one has none', async () => {
  expect(await openWatchdog(60, { devices: ['/nowhere/watchdog0'], sysfs: folder })).toBeUndefined();
});
