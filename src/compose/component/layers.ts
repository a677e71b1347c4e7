import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { canonicalJson } from '../../shared/canonical-json.ts';
import type { Arch } from '../../shared/oci/types.ts';
import { openAptRoot } from '../debian/apt-root.ts';
import { busyboxApplets } from '../debian/busybox-applets.ts';
import { fetchPackage, GoneError } from '../debian/fetch.ts';
import { packageFiles } from '../debian/package-files.ts';
import { directory, type Entry, file, sortEntries, symlink } from '../oci/entry.ts';
import { cachedLayer, type Layer } from '../oci/layer.ts';
import type { OciLayout } from '../oci/layout.ts';
import { pack, writeEntry } from '../oci/tar.ts';
import type { OnProgress } from '../progress.ts';
import { readYaml } from '../yaml.ts';
import { bundleProgram } from './bundle.ts';
import { fileEntries } from './files.ts';
import { selectModules } from './kernel-modules.ts';
import { type ArchLock, readLock, resolveLock } from './lock.ts';
import { npmFiles } from './npm-files.ts';
import { forArch, modulesFor, type Recipe, recipeSchema } from './recipe.ts';

export interface BuildOptions {
  layout: OciLayout;
  onProgress?: OnProgress;
  /** When the archive no longer has a locked package: take what it has now, and say so, instead of failing. */
  relockGone?: boolean;
  /** Told of each file of this machine that goes into the image or says what does, before it is read. */
  onRead?: OnRead | undefined;
}

export type OnRead = (path: string) => void;

export function readRecipe(dir: string, onRead?: OnRead): Promise<Recipe> {
  const path = join(dir, 'recipe.yml');
  onRead?.(path);
  return readYaml(path, recipeSchema);
}

/** The layers of a recipe's image, those of the recipe it is made from first. */
export async function recipeLayers(dir: string, recipe: Recipe, arch: Arch, options: BuildOptions): Promise<Layer[]> {
  const { layout, onProgress } = options;
  const layers: Layer[] = [];
  if (recipe.from !== undefined) {
    const baseDir = resolve(dir, recipe.from);
    layers.push(...(await recipeLayers(baseDir, await readRecipe(baseDir, options.onRead), arch, options)));
  } else if (recipe.kernel === undefined) {
    layers.push(await cachedLayer(layout, `skeleton ${arch}`, 'gantry: folders', async () => skeleton(arch)));
  }
  const downloads = recipe.packages.length + recipe.npm.length > 0 || recipe.busybox || recipe.kernel !== undefined;
  if (downloads) options.onRead?.(join(dir, 'lock.json'));
  const lock = downloads ? await readLock(dir, arch) : { packages: [], npm: [] };
  if (recipe.kernel !== undefined) {
    layers.push(await kernelLayer(lock, recipe, arch, options));
  } else {
    layers.push(...(await packageLayers(lock, recipe, arch, options)));
  }
  if (recipe.busybox) {
    const links = () => Promise.resolve(busyboxApplets.map((name) => symlink(`usr/bin/${name}`, 'busybox')));
    layers.push(await cachedLayer(layout, `busybox ${busyboxApplets.join(' ')}`, 'gantry: busybox links', links));
  }
  for (const wanted of recipe.npm) {
    const name = forArch(wanted.name, arch);
    const locked = lock.npm.find((entry) => entry.name === name && entry.version === wanted.version);
    if (locked === undefined) throw new GoneFromLock(dir, `${name}@${wanted.version}`);
    const files = placeNpmFiles(wanted.files, name, arch);
    const key = `npm ${locked.integrity} ${canonicalJson(files)}`;
    const make = async () => pickNpmFiles(await npmFiles(locked, onProgress), files);
    layers.push(await cachedLayer(layout, key, `npm: ${name}@${wanted.version}`, make));
  }
  const own: Entry[] = await ownEntries(dir, recipe, options.onRead);
  if (own.length > 0) {
    const hash = createHash('sha256');
    for (const entry of own) hash.update(canonicalJson({ ...entry, content: undefined })).update(entry.content ?? '');
    layers.push(
      await cachedLayer(layout, `files ${hash.digest('hex')}`, `gantry: files of ${recipe.image}`, async () => own),
    );
  }
  return layers;
}

class GoneFromLock extends Error {
  constructor(dir: string, what: string) {
    super(`${join(dir, 'lock.json')} does not know ${what}; run: gantry component lock ${dir}`);
  }
}

/** One layer per Debian package: components share them, and an update of one package travels alone. */
async function packageLayers(lock: ArchLock, recipe: Recipe, arch: Arch, options: BuildOptions): Promise<Layer[]> {
  const layers: Layer[] = [];
  let packages = lock.packages;
  for (let i = 0; i < packages.length; i++) {
    const locked = packages[i];
    if (locked === undefined) continue;
    const make = async () => packageFiles(await fetchPackage(await openAptRoot(arch), locked, options.onProgress));
    const createdBy = `debian: ${locked.name} ${locked.version}`;
    try {
      layers.push(await cachedLayer(options.layout, `deb ${locked.sha256}`, createdBy, make));
    } catch (error) {
      if (!(error instanceof GoneError) || !options.relockGone) throw error;
      options.onProgress?.({
        step: 'warning',
        detail: `${error.message.split('\n')[0]}; taking what the archive has now`,
      });
      packages = (await resolveLock(recipe, arch)).packages;
      layers.length = 0;
      i = -1;
    }
  }
  return layers;
}

async function kernelLayer(lock: ArchLock, recipe: Recipe, arch: Arch, options: BuildOptions): Promise<Layer> {
  if (recipe.kernel === undefined) throw new Error(`the recipe of ${recipe.image} names no kernel`);
  const modules = modulesFor(recipe.kernel, arch);
  const trees = recipe.kernel.device_trees[arch] ?? [];
  let locked = lock.packages[0];
  if (locked === undefined) throw new Error(`the lock file of ${recipe.image} names no kernel package`);
  const key = (sha256: string) => `kernel 2 ${sha256} ${[...modules, ...trees].join(' ')}`;
  const make = async () => {
    let deb: string;
    try {
      deb = await fetchPackage(await openAptRoot(arch), locked as NonNullable<typeof locked>, options.onProgress);
    } catch (error) {
      if (!(error instanceof GoneError) || !options.relockGone) throw error;
      options.onProgress?.({
        step: 'warning',
        detail: `${error.message.split('\n')[0]}; taking what the archive has now`,
      });
      locked = (await resolveLock(recipe, arch)).packages[0];
      deb = await fetchPackage(await openAptRoot(arch), locked as NonNullable<typeof locked>, options.onProgress);
    }
    options.onProgress?.({ step: 'kernel', detail: 'selecting modules' });
    const files = await packageFiles(deb);
    const image = files.find((entry) => entry.path.startsWith('boot/vmlinuz'))?.content;
    if (image === undefined) throw new Error(`${deb} holds no kernel`);
    const tree = await selectModules(files, modules);
    return [
      ...deviceTrees(files, tree.version, trees),
      file('kernel', image),
      file('kernel.tar', await tarOf(tree.entries)),
      file('version', `${tree.version}\n`),
    ];
  };
  return cachedLayer(options.layout, key(locked.sha256), `debian: ${locked.name} ${locked.version}`, make);
}

function deviceTrees(files: Entry[], version: string, wanted: string[]): Entry[] {
  if (wanted.length === 0) return [];
  const found = wanted.map((path) => {
    const content = files.find((entry) => entry.path === `usr/lib/linux-image-${version}/${path}`)?.content;
    if (content === undefined) throw new Error(`the kernel ${version} has no device tree ${path}`);
    return file(`device-trees/${path.split('/').at(-1)}`, content);
  });
  return [directory('device-trees'), ...sortEntries(found)];
}

async function tarOf(entries: Entry[]): Promise<Buffer> {
  const tar = pack();
  const chunks: Buffer[] = [];
  const reading = (async () => {
    for await (const chunk of tar) chunks.push(chunk as Buffer);
  })();
  for (const entry of entries) await writeEntry(tar, entry);
  tar.finalize();
  await reading;
  return Buffer.concat(chunks);
}

function skeleton(arch: Arch): Entry[] {
  const folders = [
    'dev',
    'etc',
    'home',
    'mnt',
    'opt',
    'proc',
    'run',
    'srv',
    'sys',
    'usr',
    'usr/bin',
    'usr/lib',
    'usr/sbin',
    'var',
    'var/cache',
    'var/lib',
    'var/log',
  ];
  const links = ['bin', 'sbin', 'lib', ...(arch === 'amd64' ? ['lib64'] : [])];
  return [
    ...folders.map((path) => directory(path)),
    directory('root', 0o700),
    directory('tmp', 0o1777),
    directory('var/tmp', 0o1777),
    ...(arch === 'amd64' ? [directory('usr/lib64')] : []),
    ...links.map((path) => symlink(path, `usr/${path}`)),
    symlink('var/run', '/run'),
  ];
}

async function ownEntries(dir: string, recipe: Recipe, onRead: OnRead | undefined): Promise<Entry[]> {
  const entries: Entry[] = [];
  if (recipe.from === undefined && recipe.kernel === undefined) {
    const users = [['root', 0], ...Object.entries(recipe.users)] as [string, number][];
    const passwd = users.map(
      ([name, id]) => `${name}:x:${id}:${id}::${name === 'root' ? '/root:/bin/sh' : '/:/sbin/nologin'}\n`,
    );
    entries.push(
      file('etc/passwd', passwd.join('')),
      file('etc/group', users.map(([n, id]) => `${n}:x:${id}:\n`).join('')),
    );
    entries.push(file('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'));
  }
  for (const { entry, path, external } of recipe.bundles) {
    const program = resolve(dir, entry);
    onRead?.(program);
    if (!existsSync(program)) throw new Error(`${join(dir, 'recipe.yml')}: no such program: ${program}`);
    entries.push(file(path.replace(/^\//, ''), await bundleProgram(program, external, onRead)));
  }
  const where = join(dir, 'recipe.yml');
  entries.push(...(await fileEntries(recipe.files, dir, { defaultMode: 0o644, ids: recipe.users, where, onRead })));
  // What the recipe says itself stands for what was made from its other fields.
  return [...new Map(entries.map((entry) => [entry.path, entry])).values()];
}

/** `{name}` and `{cpu}` in a path stand for the package's name and Node's word for the architecture. */
function placeNpmFiles(files: Record<string, string>, name: string, arch: Arch): Record<string, string> {
  const fill = (text: string) => text.replaceAll('{name}', name).replaceAll('{cpu}', arch === 'amd64' ? 'x64' : arch);
  return Object.fromEntries(Object.entries(files).map(([from, to]) => [fill(from), fill(to)]));
}

function pickNpmFiles(available: Map<string, Entry>, wanted: Record<string, string>): Entry[] {
  return Object.entries(wanted).flatMap(([from, to]) => {
    const target = to.replace(/^\//, '');
    const exact = available.get(from);
    if (exact !== undefined) return [{ ...exact, path: target, uid: 0, gid: 0, mtime: 0 }];
    const below = [...available].filter(([path]) => path.startsWith(`${from}/`));
    if (below.length === 0) throw new Error(`the npm package has no ${from}`);
    return below.map(([path, entry]) => ({
      ...entry,
      path: `${target}${path.slice(from.length)}`,
      uid: 0,
      gid: 0,
      mtime: 0,
    }));
  });
}
