import type { Arch } from '../../shared/oci/types.ts';
import { ComposeError } from '../errors.ts';
import type { AptRoot } from './apt-root.ts';

/** One Debian package, pinned. */
export interface LockedPackage {
  name: string;
  version: string;
  /** Path below the archive's base URI, e.g. `pool/main/c/crun/crun_1.21-1_arm64.deb`. */
  filename: string;
  /** Bytes of the .deb. */
  size: number;
  sha256: string;
}

/**
 * The packages that apt would install into an empty system, without `without` and what only those need is not
 * second-guessed: a dependency of a left-out package stays unless it is left out too. Sorted by name.
 */
export async function resolvePackages(
  apt: AptRoot,
  arch: Arch,
  packages: string[],
  without: string[],
): Promise<LockedPackage[]> {
  const planned = await apt.run('apt-get', [
    'install',
    '--yes',
    '--quiet',
    '--simulate',
    '--no-install-recommends',
    ...packages,
  ]);
  const wanted = new Map<string, string>();
  for (const match of planned.matchAll(/^Inst (\S+?)(?::\S+)? \((\S+) /gm)) {
    const [, name, version] = match;
    if (name !== undefined && version !== undefined && !without.some((pattern) => matches(pattern, name))) {
      wanted.set(name, version);
    }
  }
  if (wanted.size === 0) throw new ComposeError(`apt found nothing to install for ${packages.join(' ')} (${arch})`);
  const specs = [...wanted].map(([name, version]) => `${name}=${version}`);
  const shown = await apt.run('apt-cache', ['show', '--no-all-versions', ...specs]);
  const locked = shown.split(/\n\n+/).flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1];
    const [name, version, filename, size, sha256] = ['Package', 'Version', 'Filename', 'Size', 'SHA256'].map(field);
    if (!name || !version || !filename || !size || !sha256 || wanted.get(name) !== version) return [];
    wanted.delete(name);
    return [{ name, version, filename, size: Number(size), sha256 }];
  });
  if (wanted.size > 0) throw new ComposeError(`apt-cache knows nothing of ${[...wanted.keys()].join(', ')} (${arch})`);
  return locked.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
