import { setTimeout as delay } from 'node:timers/promises';
import { connectDevice } from '../../src/device/connect.ts';
import type { ComponentStatus } from '../../src/shared/api/types.ts';
import type { Arch } from '../../src/shared/oci/types.ts';
import type { Say } from '../e2e/support/compose.ts';
import { boot, type Machine } from '../e2e/support/machine.ts';
import type { AtEnd } from '../support/at-end.ts';
import { benchImage } from './compose.ts';
import { type MemoryOf, readMemory } from './memory.ts';
import { measurePs, type PsTimes } from './ps.ts';
import { type Summary, summarise } from './statistics.ts';

export interface Booted {
  arch: Arch;
  acceleration: string;
  /** Seconds since the virtual processor began to run. */
  apiAnswers: Summary;
  allHealthy: Summary;
  memory: MemoryOf[];
  ps: PsTimes;
}

const boots = 5;
/** Seconds. */
const limit = 180;
/** How every announcement begins, whatever its version. */
const announced = '\x1b_gantry;';

/** Boots the demo OS several times; the last machine is then looked at more closely. */
export async function measureBoots(arch: Arch, atEnd: AtEnd, say: Say): Promise<Booted> {
  const times: { api: number; healthy: number }[] = [];
  for (let run = 1; ; run++) {
    const { machine, device, api, healthy } = await timedBoot(arch, atEnd);
    times.push({ api, healthy });
    say(
      `${arch}, boot ${run} of ${boots}: the API answers after ${api.toFixed(1)} s, all healthy after ${healthy.toFixed(1)} s`,
    );
    if (run < boots) {
      await device.close();
      await machine.stop();
      continue;
    }
    const memory = await readMemory(device);
    await device.close();
    say(`${arch}: gantry ps over SSH and serial`);
    const ps = await measurePs(machine);
    await machine.stop();
    const of = (key: 'api' | 'healthy') => summarise(times.map((time) => time[key]));
    return {
      arch,
      acceleration: machine.emulator.acceleration,
      apiAnswers: of('api'),
      allHealthy: of('healthy'),
      memory,
      ps,
    };
  }
}

/**
 * Over the serial line: the device announces itself on it as soon as its API answers, so that nothing has to be asked
 * again and again while the machine boots.
 */
async function timedBoot(arch: Arch, atEnd: AtEnd) {
  const name = `bench-${arch}`;
  let started = 0;
  const beforeBoot = () => {
    started = performance.now();
  };
  const machine: Machine = await boot(arch, 'ssh', { name, image: benchImage(arch), beforeBoot, cpus: 2 });
  atEnd.add(() => machine.stop());
  const secondsSince = () => (performance.now() - started) / 1000;
  const expectInTime = (what: string) => {
    if (secondsSince() > limit)
      throw new Error(`${name} is not ${what} after ${limit} s:\n${machine.console().slice(-2000)}`);
  };
  while (!machine.console().includes(announced)) {
    expectInTime('there');
    await delay(20);
  }
  const device = await connectDevice(`qemu:${name}?via=serial`, { patienceMs: 30_000 });
  await device.info();
  const api = secondsSince();
  while (!(await device.components()).every(isWell)) {
    expectInTime('healthy');
    await delay(100);
  }
  return { machine, device, api, healthy: secondsSince() };
}

function isWell({ state, health }: ComponentStatus): boolean {
  return state === 'running' && (health === 'healthy' || health === 'none');
}
