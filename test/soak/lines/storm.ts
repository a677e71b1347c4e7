import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { GantryDevice } from '../../../src/device/gantry-device.ts';
import { resolveTarget } from '../../../src/device/resolve-target.ts';
import { takeLine } from '../../../src/transport/serial/take-line.ts';
import { parseSerialTarget, serialTarget } from '../../../src/transport/serial/target.ts';
import { SerialTransport } from '../../../src/transport/serial.ts';
import { onDevice } from '../../support/on-device.ts';

/** A device on its serial line, with the console text that came beside the link. */
export interface LineDevice {
  device: GantryDevice;
  text(): string;
  close(): Promise<void>;
}

/** Connects over an emulator's serial line. */
export async function connectLine(name: string): Promise<LineDevice> {
  const { endpoint } = await resolveTarget(`qemu:${name}?via=serial`);
  if (endpoint.kind !== 'serial') throw new Error(`${name} has no serial line`);
  const target = serialTarget(endpoint);
  // Held here, for its text; the transport shares it.
  const line = await takeLine(parseSerialTarget(target), endpoint.emulated);
  let text = '';
  line.on('text', (chunk) => {
    text += chunk.toString('latin1');
  });
  const device = new GantryDevice(name, new SerialTransport(target, endpoint.emulated));
  await device.connect(60_000);
  const close = async () => {
    await device.close();
    await line.close();
  };
  return { device, text: () => text, close };
}

export interface StormResult {
  /** Calls that were answered meanwhile. */
  calls: number;
  slowestMs: number;
  /** Kernel lines that were not shown as console text, and not in the followed log; both are empty when all is well. */
  missingOnLine: string[];
  missingInLog: string[];
}

/**
 * Has the kernel print `lines` lines of the highest level, which go to the line between the frames, and as many of a low
 * level, while the kernel's log is followed, components are listed, a log is read and 64 KiB are uploaded again and again.
 * Rejects when a call fails, or an upload is not what was sent.
 */
export async function storm({ device, text }: LineDevice, lines: number): Promise<StormResult> {
  const id = randomBytes(3).toString('hex');
  const stop = new AbortController();
  const logged: string[] = [];
  const following = (async () => {
    for await (const line of device.logs('kernel', { follow: true, signal: stop.signal })) {
      logged.push(line.text);
      if (line.text.includes(`${id} last`)) return;
    }
  })();
  // Its end is looked at last; others may fail before.
  following.catch(() => undefined);
  let over = false;
  const printing = onDevice(
    device,
    `echo on >/proc/sys/kernel/printk_devkmsg; i=0
		while [ $i -lt ${lines} ]; do
			echo "<0>${id} loud $i" >/dev/kmsg; echo "<6>${id} quiet $i" >/dev/kmsg; i=$((i + 1)); usleep 10000
		done; echo "<0>${id} last" >/dev/kmsg`,
  ).finally(() => {
    over = true;
  });
  const spent: number[] = [];
  const repeat = async (call: () => Promise<unknown>) => {
    while (!over) {
      const began = performance.now();
      await call();
      spent.push(performance.now() - began);
    }
  };
  await Promise.all([
    printing,
    repeat(() => device.components()),
    repeat(() => readLog(device)),
    repeat(() => upload(device)),
  ]);
  await within(60_000, 'the kernel’s last line in its log', following);
  stop.abort();
  const numbers = Array.from({ length: lines }, (_, index) => index);
  const shown = text().split(/\r?\n/);
  const log = new Set(logged.map((line) => line.slice(line.indexOf(id))));
  return {
    calls: spent.length,
    slowestMs: Math.max(...spent),
    missingOnLine: numbers
      .map((i) => `${id} loud ${i}`)
      .filter((wanted) => !shown.some((line) => line.endsWith(wanted))),
    missingInLog: numbers.flatMap((i) => [`${id} loud ${i}`, `${id} quiet ${i}`]).filter((wanted) => !log.has(wanted)),
  };
}

/** SysRq-t: every task's state, thousands of lines at once; a call after it is answered. */
export async function showTasks({ device }: LineDevice): Promise<void> {
  await Promise.all([onDevice(device, 'echo t >/proc/sysrq-trigger'), device.components(), upload(device)]);
  await device.components();
}

/** A panic while calls are under way: all of them end, the reason is shown, and, if it can, the device is back afterwards. */
export async function panic({ device, text }: LineDevice, comesBack: boolean): Promise<void> {
  const bootId = (await device.info()).bootId;
  const outcomes = Promise.allSettled([
    onDevice(device, 'echo c >/proc/sysrq-trigger'),
    upload(device),
    device.components(),
    device.components(),
  ]);
  await within(180_000, 'every call to end', outcomes);
  const untilShown = async (words: string): Promise<void> => {
    while (!text().includes(words)) await delay(200);
  };
  for (const words of ['Kernel panic - not syncing: sysrq triggered crash', 'Rebooting in 10 seconds'])
    await within(60_000, `"${words}" to be shown`, untilShown(words));
  if (!comesBack) return;
  const deadline = Date.now() + 300_000;
  for (;;) {
    const now = await device.info().catch(() => undefined);
    if (now !== undefined && now.bootId !== bootId) break;
    if (Date.now() > deadline) throw new Error('the device did not come back after its panic');
    await delay(500);
  }
}

async function readLog(device: GantryDevice): Promise<void> {
  let count = 0;
  for await (const _line of device.logs('web', { tail: 50 })) count++;
  if (count === 0) throw new Error('the log of web is empty');
}

async function upload(device: GantryDevice): Promise<void> {
  const data = randomBytes(64 << 10);
  const session = await device.shell({ command: ['sha256sum'], tty: false });
  session.stdin.end(data);
  let said = '';
  for await (const chunk of session.stdout) said += chunk;
  const code = await session.exitCode;
  const wanted = createHash('sha256').update(data).digest('hex');
  if (code !== 0 || !said.startsWith(wanted))
    throw new Error(`an upload ended with ${code} and the sum ${said.trim()}`);
}

async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = delay(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`waited ${ms / 1000} s in vain for ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
