import { setTimeout as delay } from 'node:timers/promises';
import { connectDevice } from '../../src/device/connect.ts';
import type { Device } from '../../src/device/device.ts';
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
const limitMs = 180_000;

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
 * Over the serial line: it is there from the first instruction, and the device announces itself on it, so that nothing
 * has to be asked again and again while the machine boots.
 */
async function timedBoot(arch: Arch, atEnd: AtEnd) {
  const name = `bench-${arch}`;
  let started = 0;
  let connecting: Promise<Device> | undefined;
  const machine: Machine = await boot(arch, 'ssh', {
    name,
    image: benchImage(arch),
    beforeBoot: () => {
      connecting = connectDevice(`qemu:${name}?via=serial`, { patienceMs: limitMs });
      connecting.catch(() => undefined);
      started = performance.now();
    },
  });
  atEnd.add(() => machine.stop());
  if (connecting === undefined) throw new Error('the machine began without being watched');
  const device = await connecting;
  await device.info();
  const api = (performance.now() - started) / 1000;
  while (!(await device.components()).every(isWell)) {
    if (performance.now() - started > limitMs) throw new Error(`${name} is not healthy after ${limitMs / 1000} s`);
    await delay(100);
  }
  return { machine, device, api, healthy: (performance.now() - started) / 1000 };
}

function isWell({ state, health }: ComponentStatus): boolean {
  return state === 'running' && (health === 'healthy' || health === 'none');
}
