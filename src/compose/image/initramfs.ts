import { bootModules, initramfs, slotModules } from '../../shared/boot/initramfs.ts';
import { ComposeError } from '../errors.ts';
import type { Entry } from '../oci/entry.ts';

/**
 * The initramfs: busybox and the script of the base component, and the modules that find the root image.
 * `root` is the flattened root file system with the kernel's modules in it.
 */
export function buildInitramfs(root: Map<string, Entry>, wanted: string[]): Buffer {
  const content = (path: string): Buffer => {
    const entry = root.get(path);
    if (entry?.content === undefined)
      throw new ComposeError(`the images in init have no /${path}; is a base component among them?`);
    return entry.content;
  };
  const list = [...root.keys()].find((path) => /^usr\/lib\/modules\/[^/]+\/modules\.dep$/.test(path));
  if (list === undefined) throw new ComposeError('the kernel image has no modules.dep in its kernel.tar');
  const base = list.slice(0, -'/modules.dep'.length);
  const modules = bootModules(content(list).toString(), [...wanted, ...slotModules]).map(({ name, path }) => {
    const data = root.get(`${base}/${path}`)?.content;
    if (data === undefined) throw new ComposeError(`kernel.tar lists ${path} but does not hold it`);
    return { name, data };
  });
  return initramfs({
    busybox: content('usr/bin/busybox'),
    script: content('usr/lib/gantry/initramfs'),
    modules,
  });
}
