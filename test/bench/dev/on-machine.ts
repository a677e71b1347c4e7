import { composeDemo, type Say } from '../../e2e/support/compose.ts';
import { boot, type Via } from '../../e2e/support/machine.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { type DevTimes, measureDev } from './measure.ts';

export interface DevMeasured {
  acceleration: string;
  times: { via: Via; times: DevTimes }[];
}

/** On one machine in QEMU, over SSH and then over its serial line. */
export async function measureDevOnMachine(atEnd: AtEnd, say: Say): Promise<DevMeasured> {
  await composeDemo('amd64', say);
  const name = 'bench-dev';
  const machine = await boot('amd64', 'ssh', { name });
  atEnd.add(() => machine.stop());
  await machine.untilHealthy();
  const times: DevMeasured['times'] = [];
  for (const via of ['ssh', 'serial'] as const) {
    say(`saves under gantry dev over ${via}`);
    const subject = { target: `qemu:${name}?via=${via}`, name: 'web', page: () => machine.page() };
    times.push({ via, times: await measureDev(subject) });
  }
  await machine.stop();
  return { acceleration: machine.emulator.acceleration, times };
}
