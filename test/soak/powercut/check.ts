import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { openRevisions, revisionsFolder } from '../../../init-container/revisions/revisions.ts';
import { fallBackUnlessWhole } from '../../../init-container/revisions/whole.ts';
import { openStore } from '../../../init-container/store/open-store.ts';
import { FileJournal } from '../../../init-container/swap/journal.ts';
import type { ImageInfo } from '../../../src/shared/device-paths.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';
import type { AtEnd } from '../../support/at-end.ts';
import type { Promised, Recording } from './record.ts';
import { lastFlush } from './replay.ts';

/** Mounts a file system of a file, for as long as `work` takes; mends it first if need be, as the initramfs does. */
export async function mounted<T>(image: string, at: string, options: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(at, { recursive: true });
  const mount = () => execa('mount', ['-o', options, image, at]);
  await mount().catch(async () => {
    await execa('e2fsck', ['-y', image], { reject: false });
    await mount();
  });
  try {
    return await work();
  } finally {
    await execa('umount', [at]);
  }
}

/** Where the composed image's factory revision, layers and documents are to be seen while this program runs. */
export async function mountFactory(image: string, at: string, atEnd: AtEnd): Promise<string> {
  mkdirSync(at, { recursive: true });
  await execa('mount', ['-o', 'loop,ro', join(image, 'root.img'), at]);
  atEnd.add(async () => void (await execa('umount', [at])));
  return join(at, 'gantry');
}

/** What the device may be in after a cut behind `cut` requests: the last thing it had promised, or what it was about to. */
export function allowedAfter({ requests, promises }: Recording, cut: number): Promised[] {
  const certain = lastFlush(requests, cut);
  const kept = promises.findLastIndex(({ after }) => lastFlush(requests, after) <= certain);
  return promises.slice(Math.max(0, kept), kept + 2);
}

export interface CheckOptions {
  arch: Arch;
  /** From `mountFactory`. */
  factory: string;
  /** Digests of layers' files as the recording's end has them, by the layer's name. */
  seals: ReadonlyMap<string, string>;
}

/** Names and contents of the seals in a data folder. */
export function sealsIn(data: string): Map<string, string> {
  const folder = join(data, 'seals');
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

/**
 * Does what the init container does when it starts on this data folder, and says which revision it is in. Throws when it
 * is another than the allowed ones, when anything of it is not whole, or when the next swap could not be carried out.
 */
export async function expectRecovers(
  data: string,
  allowed: readonly Promised[],
  options: CheckOptions,
): Promise<number> {
  const { arch, factory, seals } = options;
  const said: string[] = [];
  const log = (message: string) => void said.push(message);
  const paths = {
    factoryRevision: join(factory, 'revision.json'),
    factoryLayers: join(factory, 'layers'),
    factoryBlobs: join(factory, 'blobs'),
    factoryRecipes: join(factory, 'recipes'),
    data,
  };
  try {
    const { id } = JSON.parse(readFileSync(join(factory, 'image.json'), 'utf8')) as ImageInfo;
    const open = async () => {
      const revisions = await openRevisions({ imageId: id, paths, log });
      const images = Object.values(revisions.get(0)?.revision.components ?? {}).map(({ image }) => image);
      const store = await openStore({ paths, arch, factoryImages: images, log });
      const damage = await fallBackUnlessWhole(revisions, store);
      if (damage !== undefined) throw new Error(damage);
      await new FileJournal(join(revisionsFolder(id, data), 'swap.json'), log).read();
      return { revisions, store };
    };
    const { revisions } = await open();
    const { number, revision } = revisions.current();
    if (!allowed.some((promised) => promised.revision === number)) throw new Error(`revision ${number} is in force`);
    const image = revision.components.web?.image.ref;
    if (!allowed.some((promised) => promised.image === image)) throw new Error(`it names ${image}`);
    for (const [name, seal] of sealsIn(data)) {
      // Layers have seals before they have their names; both must be those of the recording's end, or not be there.
      if (readdirSync(join(data, 'layers')).includes(name) && seals.get(name) !== seal)
        throw new Error(`the layer ${name} has another digest than at the end`);
    }
    const { number: next } = await revisions.append({ ...revision, volumes: {} }, 'soak');
    await revisions.commit(next);
    const again = (await open()).revisions.current().number;
    if (again !== next) throw new Error(`revision ${next} was put in force, and ${again} is`);
    return number;
  } catch (error) {
    const words = said.length === 0 ? 'nothing' : said.join('\n  ');
    throw new Error(`${(error as Error).message}\n it said: ${words}`, { cause: error });
  }
}
