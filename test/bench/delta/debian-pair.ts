import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packTree } from './pack-tree.ts';
import type { Pair } from './sets.ts';

const run = promisify(execFile);

/** A package and the two consecutive versions that are wanted of it. */
export interface DebianWish {
  package: string;
  old: string;
  fresh: string;
}

/** Not part of any image that is made for a device. */
const LEFT_OUT = ['usr/share/doc', 'usr/share/man', 'usr/share/lintian'];

/** Both sides of packages as the archive has them, as two tars in `folder`. */
export async function debianPair(name: string, wishes: readonly DebianWish[], folder: string): Promise<Pair> {
  const chosen = [];
  for (const wish of wishes) chosen.push(await choose(wish));
  const old = await side(chosen, 'old', folder);
  const fresh = await side(chosen, 'fresh', folder);
  const words = chosen.map((one) => `${one.package} ${one.old} → ${one.fresh}`).join(', ');
  return { name, words, old, fresh };
}

/** The wanted versions, or the newest two that there are when one of them is gone. */
async function choose(wish: DebianWish): Promise<DebianWish> {
  const { stdout } = await run('apt-cache', ['madison', wish.package]);
  const versions = [...new Set(stdout.split('\n').flatMap((line) => line.split('|')[1]?.trim() || []))];
  if (versions.includes(wish.old) && versions.includes(wish.fresh)) return wish;
  const [fresh, old] = versions;
  if (fresh === undefined || old === undefined) {
    throw new Error(
      `Debian’s archive, as this machine is configured, has no two versions of ${wish.package} (apt-get update?)`,
    );
  }
  return { package: wish.package, old, fresh };
}

async function side(chosen: readonly DebianWish[], which: 'old' | 'fresh', folder: string): Promise<string> {
  const tree = join(folder, which);
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  for (const one of chosen) await run('dpkg-deb', ['-x', await download(one.package, one[which], folder), tree]);
  for (const path of LEFT_OUT) rmSync(join(tree, path), { recursive: true, force: true });
  const tar = await packTree(tree, join(folder, `${which}.tar`));
  rmSync(tree, { recursive: true });
  return tar;
}

/** Kept from run to run. */
async function download(name: string, version: string, folder: string): Promise<string> {
  const kept = join(folder, `${name}_${version.replaceAll(':', '%')}.deb`);
  const fresh = join(folder, 'download');
  if (readdirSync(folder).includes(kept.slice(folder.length + 1))) return kept;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  await run('apt-get', ['download', `${name}=${version}`], { cwd: fresh });
  const [file] = readdirSync(fresh);
  if (file === undefined) throw new Error(`apt-get downloaded nothing for ${name}=${version}`);
  renameSync(join(fresh, file), kept);
  rmSync(fresh, { recursive: true });
  return kept;
}
