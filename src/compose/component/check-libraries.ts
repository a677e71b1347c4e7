import type { Arch } from '../../shared/oci/types.ts';
import type { FileFacts } from './layer-facts.ts';

const triplet: Record<Arch, string> = { amd64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/**
 * Programs of a component that could not start because a shared library (or the loader) is missing from it: a package
 * left out too many. One line each, empty when all is well. Libraries that only other libraries lack count as well.
 */
export function missingLibraries(files: ReadonlyMap<string, FileFacts>, arch: Arch): string[] {
  const standard = [`usr/lib/${triplet[arch]}`, 'usr/lib', 'usr/lib64'];
  const present = (path: string): boolean =>
    files.has(path.replace(/^\//, '').replace(/^(lib|lib64|bin|sbin)\//, 'usr/$1/'));
  const problems: string[] = [];
  for (const [path, { elf }] of files) {
    if (elf === undefined) continue;
    const origin = path.replace(/\/[^/]+$/, '');
    const own = elf.runpath.map((dir) => dir.replace(/\$\{?ORIGIN\}?/, origin));
    const lacking = elf.needed.filter(
      (name) => ![...own, ...standard, origin].some((dir) => present(`${dir}/${name}`)),
    );
    if (elf.interpreter !== undefined && !present(elf.interpreter)) lacking.push(elf.interpreter);
    if (lacking.length > 0) problems.push(`/${path} needs ${lacking.join(', ')}`);
  }
  return problems;
}
