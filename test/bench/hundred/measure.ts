import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Device } from '../../../src/device/device.ts';
import type { Say } from '../../e2e/support/compose.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { onDevice } from '../../support/on-device.ts';
import { readMemory } from '../memory.ts';
import { type Summary, summarise } from '../statistics.ts';
import { startIdleDevice, whyNoContainers } from './idle-device.ts';

/** A device with many containers that do nothing. Bytes are KiB, times ms unless named otherwise. */
export interface Hundred {
  containers: number;
  /** Seconds from the start of the launcher until every container runs. */
  allRunning: number;
  /** `GET /gantry/v1/components` in an open connection, ms. */
  list: Summary;
  /** Of one processor, over a minute in which nobody asks anything. Per cent. */
  idle: { init: number; conmons: number };
  /** Private memory, KiB. */
  init: number;
  conmon: Summary;
  /** Files of state in /run/gantry/containers, per container, KiB. */
  state: number;
}

const count = 100;
const listRuns = 25;
const idleSeconds = 60;

/** Natively on this machine's kernel, as the comparison of restarts does. A text says what this machine lacks. */
export async function measureHundred(atEnd: AtEnd, say: Say): Promise<Hundred | string> {
  const problem = whyNoContainers();
  if (problem !== undefined) return problem;
  const { device, pid, allRunning, stop } = await startIdleDevice('hundred', count, atEnd, say);
  const lists: number[] = [];
  for (let run = 0; run <= listRuns; run++) {
    const before = performance.now();
    await device.components();
    if (run > 0) lists.push(performance.now() - before);
  }
  say(`waiting ${idleSeconds} s to see what it does when nobody asks`);
  const idle = await measureIdle(device, pid);
  const memory = await readMemory(device);
  const [init] = memory.filter(({ process }) => process.startsWith('init'));
  if (init === undefined) throw new Error('the init container was not found');
  const conmons = memory.filter(({ process }) => process.startsWith('conmon')).map((one) => one.private);
  const stateText = await onDevice(
    device,
    'cd /run/gantry/containers && du -sk --exclude=rootfs . 2>/dev/null || du -skx .',
  );
  const state = Number.parseInt(stateText, 10) / count;
  await stop();
  return {
    containers: count, allRunning, list: summarise(lists), idle, init: init.private, conmon: summarise(conmons), state,
  }; // biome-ignore format: one figure after the other
}

/** Processor time of the init container (with what it waited for) and of all conmons over a quiet minute. */
async function measureIdle(device: Device, namespacePid: number): Promise<Hundred['idle']> {
  const { pid } = (await device.info()).init;
  const conmonPids = (
    await onDevice(device, 'for file in /run/gantry/containers/*/conmon.pid; do echo $(cat $file); done')
  )
    .trim()
    .split(/\s+/)
    .map(Number);
  const ticks = () => ({
    init: cpuTicks(namespacePid, pid),
    conmons: conmonPids.reduce((sum, conmon) => sum + cpuTicks(namespacePid, conmon), 0),
  });
  // What the questions above set in motion should be over.
  await delay(5000);
  const before = ticks();
  await delay(idleSeconds * 1000);
  const after = ticks();
  // A tick is 10 ms on every Linux: USER_HZ is part of the kernel's interface.
  const percent = (from: number, to: number) => ((to - from) * 10) / (idleSeconds * 10);
  return { init: percent(before.init, after.init), conmons: percent(before.conmons, after.conmons) };
}

/** utime + stime + cutime + cstime: the last two are those of children that it waited for. Source: proc(5). */
function cpuTicks(namespacePid: number, pid: number): number {
  const stat = readFileSync(`/proc/${namespacePid}/root/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
}
