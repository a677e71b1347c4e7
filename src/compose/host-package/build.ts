import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { longestSocketPath } from '../../shared/definition/listen.ts';
import { revisionDigest } from '../../shared/definition/revision.ts';
import { type ImageInfo, machinePaths } from '../../shared/device-paths.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import { gantryVersion } from '../../shared/version.ts';
import { type BuildOsOptions, definitionFiles } from '../build-os.ts';
import { loadDefinitions } from '../definition/load.ts';
import { ComposeError } from '../errors.ts';
import { checkSockets } from '../image/check-sockets.ts';
import { factoryEntries, rootEntries, rootImageEntries } from '../image/contents.ts';
import { makeRevision, resolveUserland } from '../image/resolve.ts';
import { writeRootImage } from '../image/root-image.ts';
import { digestOfFile, writeArchive } from './archive.ts';
import { insideEntries, installScript, outsideEntries, scriptTexts } from './files.ts';
import { selectForMachine } from './select.ts';

export interface HostPackageOptions extends Omit<BuildOsOptions, 'outDir' | 'extraFiles'> {
  /** The file to write; an older one is replaced when the new one is whole. */
  outFile: string;
}

export interface BuiltHostPackage {
  file: string;
  id: string;
  bytes: number;
  /** What of the definition was left out and why, a sentence each. */
  leftOut: string[];
}

/** A unix socket of the machine's has a longer path in the service's own mount namespace. */
const socketPathOnMachine = longestSocketPath - Buffer.byteLength(machinePaths.root);

/** Raise when the same definition would give other bytes. */
const formatVersion = 2;

/**
 * Composes one file that installs itself on an existing distribution: init container, system containers and what they
 * run on, without kernel. No Docker, no root; the same input gives the same bytes.
 */
export async function buildHostPackage(options: HostPackageOptions): Promise<BuiltHostPackage> {
  const { arch, outFile, onProgress } = options;
  const loaded = await loadDefinitions(options.definitions, { kernel: false });
  const images = await resolveUserland(loaded, options);
  const { definition, leftOut } = selectForMachine(loaded, images);
  const chosen = new Map([...images.containers].filter(([name]) => isIn(definition, name)));
  // The base is this package's own: on a machine it changes only with the whole package.
  const revision = makeRevision(definition, { ...images, bases: [] });
  checkSockets(revision, chosen, socketPathOnMachine);
  const added = await insideEntries(await definitionFiles(definition, []));
  const id = digestOf(
    canonicalJson({
      formatVersion,
      gantry: gantryVersion,
      arch,
      revision: revisionDigest(revision),
      bases: images.bases.map(({ digest }) => digest),
      added: added.map((entry) => ({ ...entry, content: entry.content && digestOf(entry.content) })),
      scripts: (await scriptTexts()).map((text) => digestOf(text)),
    }),
  ).slice(7, 23);
  const info: ImageInfo = { name: definition.name, id, arch, gantry: gantryVersion, board: 'host', bootModules: [] };

  const root = await rootEntries(images, []);
  for (const entry of added) root.set(entry.path, entry);
  const outside = await outsideEntries(root, info);
  // The base is not swapped on top of a distribution: it is no component there.
  const kept = { ...images, bases: [], containers: chosen };
  const factory = await factoryEntries(kept, revision, info);
  await mkdir(dirname(outFile), { recursive: true });
  const work = await mkdtemp(`${outFile}.part-`);
  try {
    onProgress?.({ step: 'root', detail: 'writing the root image (squashfs)' });
    await writeRootImage(join(work, 'root.img'), rootImageEntries(root, factory, kept, new Map()));
    await writeArchive(join(work, 'archive.tar'), outside, join(work, 'root.img'));
    const script = await installScript(info, basename(outFile), await digestOfFile(join(work, 'archive.tar')));
    const whole = join(work, 'package');
    await writeFile(whole, script, { mode: 0o755 });
    await pipeline(createReadStream(join(work, 'archive.tar')), createWriteStream(whole, { flags: 'a' }));
    await rename(whole, outFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new ComposeError(`no space left on the disk while writing ${outFile}; free some and build again`);
    }
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { file: outFile, id, bytes: (await stat(outFile)).size, leftOut };
}

function isIn({ onboot, services, onshutdown }: Awaited<ReturnType<typeof loadDefinitions>>, name: string): boolean {
  return [...onboot, ...services, ...onshutdown].some((container) => container.name === name);
}
