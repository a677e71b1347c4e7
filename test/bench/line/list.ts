import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startConsoleAgent } from '../../../init-container/console/agent.ts';
import { connectDevice } from '../../../src/device/connect.ts';
import type { Say } from '../../e2e/support/compose.ts';
import { gantryOk } from '../../e2e/support/gantry.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { startIdleDevice, whyNoContainers } from '../hundred/idle-device.ts';
import { type Summary, summarise } from '../statistics.ts';
import { openRealLine } from './real-line.ts';
import { peerScenarios } from './scenarios.ts';

/** A list over the line: milliseconds, and bytes on the line in both directions. */
interface Listed {
  ms: Summary;
  bytes: Summary;
}

export interface ListTimes {
  components: number;
  /** `components()` for the first time in a connection, and again. */
  first: Listed;
  repeat: Listed;
  /** From nothing until a list is there, within one process. */
  connecting: Listed;
  /** The whole command `gantry ps`, from the start of its process to its end, and one that needs no device. */
  command: Listed;
  noDevice: Summary;
}

/** Kernel, base and init container are components too. */
const SERVICES = 17;
const CONNECTIONS = 5;
const REPEATS = 5;
/** Until signs of life of the link are all that is on the line. */
const QUIET_MS = 300;

/** A real device's list of 20 components over the line at 115,200 baud, in real time. A text says what this machine lacks. */
export async function measureLists(atEnd: AtEnd, say: Say): Promise<ListTimes | string> {
  const problem = whyNoContainers();
  if (problem !== undefined) return problem;
  const idle = await startIdleDevice('line', SERVICES, atEnd, say);
  const folder = mkdtempSync(join(tmpdir(), 'gantry-line-'));
  atEnd.add(() => rmSync(folder, { recursive: true, force: true }));
  const printk = { control: join(folder, 'printk'), saved: join(folder, 'saved') };
  writeFileSync(printk.control, '7\t4\t1\t7\n');
  const [clean] = peerScenarios;
  if (!clean) throw new Error('there is no line to measure on');
  const { host, device, line, close } = await openRealLine(clean, 1);
  const closeLine = atEnd.add(close);
  // The device's end of the line runs in this process; what it answers comes from the device.
  const agent = startConsoleAgent({
    tty: device.path,
    printk,
    openApi: () => connectSocket({ path: idle.socket, allowHalfOpen: true }),
    openShell: () => Promise.reject(new Error('there is no shell here')),
    leftRescue: () => {},
    log: () => {},
  });
  const closeAgent = atEnd.add(() => agent.close());
  const target = `serial:${host.path}`;
  const kinds = { first: collect(), repeat: collect(), connecting: collect(), command: collect() };
  const timed = async (kind: keyof typeof kinds, work: () => Promise<unknown>): Promise<void> => {
    const [before, bytes] = [performance.now(), line.bytes];
    await work();
    kinds[kind].ms.push(performance.now() - before);
    await delay(QUIET_MS);
    kinds[kind].bytes.push(line.bytes - bytes);
  };
  // The first may have to bundle the program.
  await gantryOk('-d', target, 'ps', '-a');
  let components = 0;
  const noDevice: number[] = [];
  for (let run = 0; run < CONNECTIONS; run += 1) {
    const before = performance.now();
    await gantryOk('--version');
    noDevice.push(performance.now() - before);
    await timed('command', () => gantryOk('-d', target, 'ps', '-a'));
    const known = await connectDevice(target, { patienceMs: 10_000 });
    await timed('first', async () => {
      components = (await known.components()).length;
    });
    for (let repeat = 0; repeat < REPEATS; repeat += 1) await timed('repeat', () => known.components());
    await known.close();
    await timed('connecting', async () => {
      const fresh = await connectDevice(target, { patienceMs: 10_000 });
      await fresh.components();
      await fresh.close();
    });
  }
  await closeAgent();
  await closeLine();
  await idle.stop();
  const sum = ({ ms, bytes }: ReturnType<typeof collect>): Listed => ({ ms: summarise(ms), bytes: summarise(bytes) });
  return {
    components,
    ...{ first: sum(kinds.first), repeat: sum(kinds.repeat) },
    ...{ connecting: sum(kinds.connecting), command: sum(kinds.command), noDevice: summarise(noDevice) },
  };
}

function collect(): { ms: number[]; bytes: number[] } {
  return { ms: [], bytes: [] };
}
