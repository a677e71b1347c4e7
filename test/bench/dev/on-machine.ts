import { composeDemo, type Say } from '../../e2e/support/compose.ts';
import { boot, type Via } from '../../e2e/support/machine.ts';
import { slowLine } from '../../e2e/support/slow-line.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { type DevTimes, measureDev } from './measure.ts';

export interface DevMeasured {
  acceleration: string;
  times: { via: Via; times: DevTimes }[];
}

const baud = 115_200;

/** On one machine in QEMU, over SSH and then over its serial line, at the speed of a real one. */
export async function measureDevOnMachine(atEnd: AtEnd, say: Say): Promise<DevMeasured> {
  await composeDemo('amd64', say);
  const name = 'bench-dev';
  const machine = await boot('amd64', 'ssh', { name, cpus: 2 });
  atEnd.add(() => machine.stop());
  await machine.untilHealthy();
  const slow = await slowLine(machine, baud);
  const times: DevMeasured['times'] = [];
  for (const [via, target] of [
    ['ssh', machine.target],
    ['serial', slow.target],
  ] as const) {
    say(`saves under gantry dev over ${via}`);
    times.push({
      via,
      times: await measureDev({ target, name: 'web', words: `over ${via}`, page: () => machine.page() }),
    });
  }
  slow.close();
  await machine.stop();
  return { acceleration: machine.emulator.acceleration, times };
}
