import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BootModule, bootModules, initramfs, slotModules } from '../../src/shared/boot/initramfs.ts';

export interface InitramfsParts {
  /** The device's own root, with busybox and the initramfs' script. */
  root: string;
  /** Modules that find the root image: `ImageInfo.bootModules`. */
  bootModules: readonly string[];
  /** A folder with the kernel's version in it, and its modules in that. */
  tree: string;
}

/** The initramfs of a kernel; of the same parts `gantry build` makes the same bytes. */
export async function makeInitramfs({ root, bootModules: board, tree }: InitramfsParts): Promise<Buffer> {
  const [version] = await readdir(tree);
  if (version === undefined) throw new Error('the kernel.tar holds no modules');
  const base = join(tree, version);
  const dependencies = await readFile(join(base, 'modules.dep'), 'utf8');
  const modules: BootModule[] = [];
  for (const { name, path } of bootModules(dependencies, [...board, ...slotModules])) {
    modules.push({ name, data: await readFile(join(base, path)) });
  }
  return initramfs({
    busybox: await readFile(join(root, 'usr/bin/busybox')),
    script: await readFile(join(root, 'usr/lib/gantry/initramfs')),
    modules,
  });
}
