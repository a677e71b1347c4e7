import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hexOf } from '../../shared/oci/digest.ts';
import { cacheDir, writeFileAtomic } from '../cache.ts';
import { layerEntries } from '../image/flatten.ts';
import type { Entry } from '../oci/entry.ts';
import type { Layer } from '../oci/layer.ts';
import type { OciLayout } from '../oci/layout.ts';
import { type ElfInfo, readElf } from './elf.ts';

/** What checks of a whole image need to know of one of its files. */
export interface FileFacts extends Pick<Entry, 'path' | 'type'> {
  /** Of programs and libraries. */
  elf?: ElfInfo;
}

/** Raise when other facts would be found in the same layer. */
const factsVersion = 1;

/** Bytes of a blob that is read as fast as a record of it would be. */
const small = 64 << 10;

/**
 * What is in a layer, in its order. Remembered for each layer, since finding it out means to read every file: an image of
 * which one layer is new costs no more than that one.
 */
export async function layerFacts(layout: OciLayout, layer: Layer): Promise<FileFacts[]> {
  const record = cacheDir('facts', `${hexOf(layer.diffId)}.${factsVersion}.json`);
  if (existsSync(record)) return JSON.parse(await readFile(record, 'utf8')) as FileFacts[];
  const facts: FileFacts[] = [];
  for await (const entry of layerEntries(layout, layer.descriptor)) facts.push(factsOf(entry));
  if (layer.descriptor.size > small) await writeFileAtomic(record, JSON.stringify(facts));
  return facts;
}

export function factsOf({ path, type, content }: Entry): FileFacts {
  const elf = type === 'file' && content !== undefined ? readElf(content) : undefined;
  return { path, type, ...(elf && { elf }) };
}
