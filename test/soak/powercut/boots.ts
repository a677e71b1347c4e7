import { copyFileSync, rmSync } from 'node:fs';
import { connectDevice } from '../../../src/device/connect.ts';
import { dataDiskPath, ensureDataDisk } from '../../../src/emulator/index.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';
import { boot } from '../../e2e/support/machine.ts';
import { until } from '../../e2e/support/until.ts';
import type { Promised } from './record.ts';

const pages: Record<string, string> = { 'web:1': 'version 1', 'web:2': 'version 2', 'web:large': 'version 2' };

/** Boots the device on a disk and waits until all of it is healthy, in an allowed revision. Says in which. */
export async function expectBoots(
  options: { arch: Arch; image: string; name: string },
  disk: string,
  allowed: readonly Promised[],
): Promise<number> {
  const { arch, image, name } = options;
  rmSync(dataDiskPath(name), { force: true });
  copyFileSync(disk, (await ensureDataDisk(name, 64 << 20)).path);
  const machine = await boot(arch, 'ssh', { name, data: 'keep', image });
  try {
    const device = await connectDevice(machine.target, { patienceMs: 180_000 });
    try {
      const { current, revisions } = await until('the device to answer', 120, () => device.revisions());
      const found = allowed.find((promised) => promised.revision === current);
      if (found === undefined) throw new Error(`revision ${current} is in force`);
      const failure = revisions.find(({ failure: text }) => text?.startsWith('damaged'))?.failure;
      if (failure !== undefined) throw new Error(failure);
      await machine.untilHealthy(180);
      const page = await until('the page to answer', 60, () => machine.page());
      if (!page.includes(pages[found.image] ?? ''))
        throw new Error(`${found.image} is in force, and its page: ${page}`);
      return current;
    } finally {
      await device.close();
    }
  } catch (error) {
    throw new Error(`${(error as Error).message}\nthe console's end:\n${machine.console().slice(-3000)}`, {
      cause: error,
    });
  } finally {
    await machine.stop();
    rmSync(dataDiskPath(name), { force: true });
  }
}
