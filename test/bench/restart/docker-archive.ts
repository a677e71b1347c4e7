import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { file } from '../../../src/compose/oci/entry.ts';
import type { OciLayout } from '../../../src/compose/oci/layout.ts';
import { pack, writeEntry } from '../../../src/compose/oci/tar.ts';
import { hexOf } from '../../../src/shared/oci/digest.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';

/** Writes an image of a layout as `docker load` takes it, layers as they are. Throws when the layout lacks it. */
export async function writeDockerArchive(layout: OciLayout, ref: string, arch: Arch, path: string): Promise<void> {
  const found = await layout.find(ref, arch);
  if (found === undefined) throw new Error(`${layout.dir} has no image ${ref} for ${arch}`);
  const { manifest } = await layout.image(found.digest);
  const config = `${hexOf(manifest.config.digest)}.json`;
  const layers = manifest.layers.map((layer) => `${hexOf(layer.digest)}.tar.gz`);
  const tar = pack();
  const written = pipeline(tar, createWriteStream(path));
  await writeEntry(tar, file('manifest.json', JSON.stringify([{ Config: config, RepoTags: [ref], Layers: layers }])));
  await writeEntry(tar, file(config, await layout.readBlob(manifest.config.digest)));
  for (const [index, layer] of manifest.layers.entries()) {
    await writeEntry(tar, file(layers[index] ?? '', await layout.readBlob(layer.digest)));
  }
  tar.finalize();
  await written;
}
