import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import type { Arch } from '../../shared/oci/types.ts';
import { writeFileAtomic } from '../cache.ts';
import { openAptRoot } from '../debian/apt-root.ts';
import { resolvePackages } from '../debian/resolve.ts';
import { ComposeError } from '../errors.ts';
import { forArch, type Recipe } from './recipe.ts';

const packageSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  filename: z.string(),
  size: z.number().int(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const npmSchema = z.strictObject({ name: z.string(), version: z.string(), integrity: z.string() });
const archLockSchema = z.strictObject({ packages: z.array(packageSchema), npm: z.array(npmSchema) });
const lockSchema = z.strictObject({ amd64: archLockSchema.optional(), arm64: archLockSchema.optional() });

export type ArchLock = z.infer<typeof archLockSchema>;
export type LockedNpm = z.infer<typeof npmSchema>;

/** The pinned downloads of the recipe in `dir` for one architecture. */
export async function readLock(dir: string, arch: Arch): Promise<ArchLock> {
  const path = join(dir, 'lock.json');
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) throw new ComposeError(`no lock file; write one with: gantry component lock ${dir}`, path);
  const lock = lockSchema.safeParse(JSON.parse(text));
  if (!lock.success) throw new ComposeError(z.prettifyError(lock.error), path);
  const own = lock.data[arch];
  if (own === undefined) throw new ComposeError(`nothing locked for ${arch}; run: gantry component lock ${dir}`, path);
  return own;
}

/** Resolves everything that the recipe downloads, now, for the given architectures, and writes `lock.json`. */
export async function writeLock(dir: string, recipe: Recipe, arches: Arch[]): Promise<void> {
  const path = join(dir, 'lock.json');
  const old = lockSchema.safeParse(JSON.parse(await readFile(path, 'utf8').catch(() => '{}')));
  const lock: z.infer<typeof lockSchema> = old.success ? old.data : {};
  for (const arch of arches) lock[arch] = await resolveLock(recipe, arch);
  await writeFileAtomic(path, `${JSON.stringify(lock, null, 1)}\n`);
}

/** What `writeLock` would write for one architecture. */
export async function resolveLock(recipe: Recipe, arch: Arch): Promise<ArchLock> {
  const packages = [...recipe.packages];
  if (recipe.busybox) packages.push('busybox-static');
  if (recipe.kernel) packages.push(forArch(recipe.kernel.package, arch));
  const npm: LockedNpm[] = [];
  for (const wanted of recipe.npm) {
    const name = forArch(wanted.name, arch);
    npm.push({ name, version: wanted.version, integrity: await npmIntegrity(name, wanted.version) });
  }
  if (packages.length === 0) return { packages: [], npm };
  const apt = await openAptRoot(arch, { areas: recipe.areas });
  const resolved = await resolvePackages(apt, arch, packages, recipe.without);
  // Of a kernel only the image itself: what it depends on makes initramfs files on a running Debian.
  const kept = recipe.kernel ? resolved.filter((p) => /^linux-image-\d/.test(p.name)) : resolved;
  return { packages: kept, npm };
}

async function npmIntegrity(name: string, version: string): Promise<string> {
  const result = await execa('npm', ['view', `${name}@${version}`, 'dist.integrity', '--loglevel=error'], {
    reject: false,
  });
  const integrity = result.stdout.trim();
  if (!integrity.startsWith('sha512-')) throw new ComposeError(`npm knows no ${name}@${version}: ${result.stderr}`);
  return integrity;
}
