import { join } from 'node:path';
import type { DeviceInfo } from '../../../src/shared/api/types.ts';
import { composeDemo, type Say } from '../../e2e/support/compose.ts';
import { gantry, gantryJson } from '../../e2e/support/gantry.ts';
import { boot, type Machine } from '../../e2e/support/machine.ts';
import { composeParts, partImage, swapPart } from '../../e2e/support/parts.ts';
import { root, work } from '../../e2e/support/paths.ts';

/**
 * `npm run soak -- kernel`: kernels that start and never come up are followed by the one before, without anyone's help: one
 * that does not find its disk, which is refused from then on, and one that panics at once. False when something was otherwise.
 */
export async function kernelSoak(say: Say): Promise<boolean> {
  await composeDemo('amd64', say);
  await composeParts('amd64', ['kernel-bare']);
  const machine = await boot('amd64', 'ssh', { name: 'soak-kernel', data: true, cpus: 2 });
  try {
    await machine.untilHealthy(600);
    const before = await kernelOf(machine);
    const results = [await kernelWithoutDisk(machine, say), await kernelThatPanics(machine, say)];
    const same = (await kernelOf(machine)) === before;
    if (!same) say('WRONG: another kernel runs than before');
    return same && results.every(Boolean);
  } finally {
    await machine.stop();
  }
}

const kernelOf = async (machine: Machine) => {
  const { kernel, image } = await gantryJson<DeviceInfo>('-d', machine.target, 'info');
  return `${kernel} of ${image.id}`;
};

async function kernelWithoutDisk(machine: Machine, say: Say): Promise<boolean> {
  const first = await swapPart(machine.target, 'kernel', partImage('amd64', 'kernel:bare'));
  const again = await swapPart(machine.target, 'kernel', partImage('amd64', 'kernel:bare'));
  const well =
    first.code === 4 &&
    /not found healthy before the device started again/.test(first.last) &&
    /was rolled back/.test(again.stderr);
  say(`${well ? 'as it should be' : 'WRONG'}: ${first.code} ${first.last}; again: ${again.stderr.trim()}`);
  return well;
}

async function kernelThatPanics(machine: Machine, say: Say): Promise<boolean> {
  const image = join(work, 'soak-kernel-panics');
  await composeDemo('amd64', say, image, [join(root, 'test/soak/kernel/panics.yml')]);
  const seen = machine.console().length;
  const { code, stderr } = await gantry('-d', machine.target, 'upgrade', image);
  const panicked = /Kernel panic - not syncing: .*/.exec(machine.console().slice(seen))?.[0];
  const well =
    code === 4 &&
    /not found healthy before the device started again/.test(stderr) &&
    panicked !== undefined &&
    (await machine.untilHealthy(600)).length > 0;
  say(`${well ? 'as it should be' : 'WRONG'}: ${code} ${stderr.trim()}; the console: ${panicked ?? 'no panic'}`);
  return well;
}
