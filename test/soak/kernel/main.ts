import type { DeviceInfo } from '../../../src/shared/api/types.ts';
import { composeDemo, type Say } from '../../e2e/support/compose.ts';
import { gantryJson } from '../../e2e/support/gantry.ts';
import { boot } from '../../e2e/support/machine.ts';
import { composeParts, partImage, swapPart } from '../../e2e/support/parts.ts';

/**
 * `npm run soak -- kernel`: a kernel that starts, does not find its disk and never comes up is followed by the one before,
 * without anyone's help, and is refused. False when something was otherwise.
 */
export async function kernelSoak(say: Say): Promise<boolean> {
  await composeDemo('amd64', say);
  await composeParts('amd64', ['kernel-bare']);
  const machine = await boot('amd64', 'ssh', { name: 'soak-kernel', data: true });
  try {
    await machine.untilHealthy();
    const kernel = async () => (await gantryJson<DeviceInfo>('-d', machine.target, 'info')).kernel;
    const before = await kernel();
    const first = await swapPart(machine.target, 'kernel', partImage('amd64', 'kernel:bare'));
    const again = await swapPart(machine.target, 'kernel', partImage('amd64', 'kernel:bare'));
    const well =
      first.code === 4 &&
      /not found healthy before the device started again/.test(first.last) &&
      /was rolled back/.test(again.stderr) &&
      (await kernel()) === before;
    say(`${well ? 'as it should be' : 'WRONG'}: ${first.code} ${first.last}; again: ${again.stderr.trim()}`);
    return well;
  } finally {
    await machine.stop();
  }
}
