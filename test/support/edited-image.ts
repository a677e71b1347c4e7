import { uncompressed } from '../../src/compose/image/flatten.ts';
import type { Entry } from '../../src/compose/oci/entry.ts';
import { writeLayer } from '../../src/compose/oci/layer.ts';
import { OciLayout } from '../../src/compose/oci/layout.ts';
import { readTar } from '../../src/compose/oci/tar.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { type Arch, type Digest, mediaTypes } from '../../src/shared/oci/types.ts';

export interface Edit {
  /** The image, and what the edited one is called in the layout `dir`. Names in `from` may mean another one by now. */
  from: OciLayout;
  digest: Digest;
  arch: Arch;
  dir: string;
  name: string;
  /** The file as it is from now on; the layer that has it is written anew. */
  file?: { path: string; edit: (content: Buffer) => Buffer };
  /** In a layer on top. */
  more?: Entry[];
}

/** Makes an image that differs from another one in some files. Returns what `swap` calls it. */
export async function editedImage({ from, digest, arch, dir, name, file, more }: Edit): Promise<string> {
  const { manifest, config } = await from.image(digest);
  const layout = new OciLayout(dir);
  const diffIds: Digest[] = [];
  const layers = [];
  let edited = file === undefined;
  for (const [index, layer] of manifest.layers.entries()) {
    const entries: Entry[] = [];
    if (file) {
      for await (const entry of readTar(uncompressed(from.openBlob(layer.digest), layer.mediaType))) {
        const hit = entry.path === file.path && entry.content !== undefined;
        entries.push(hit && entry.content ? { ...entry, content: file.edit(entry.content) } : entry);
        edited ||= hit;
      }
    }
    if (file && entries.some(({ path }) => path === file.path)) {
      const written = await writeLayer(layout, entries, 'edited');
      layers.push(written.descriptor);
      diffIds.push(written.diffId);
      continue;
    }
    layers.push(await layout.writeBlob(await from.readBlob(layer.digest), layer.mediaType));
    diffIds.push(config.rootfs.diff_ids[index] ?? layer.digest);
  }
  if (!edited) throw new Error(`${digest} has no file ${file?.path}`);
  if (more) {
    const written = await writeLayer(layout, more, 'more');
    layers.push(written.descriptor);
    diffIds.push(written.diffId);
  }
  const { history: _history, ...rest } = config;
  const text = canonicalJson({ ...rest, rootfs: { type: 'layers', diff_ids: diffIds } });
  const described = await layout.writeBlob(text, mediaTypes.config);
  const body = canonicalJson({ schemaVersion: 2, mediaType: mediaTypes.manifest, config: described, layers });
  await layout.tag(name, await layout.writeBlob(body, mediaTypes.manifest), arch);
  return `oci:${dir}:${name}`;
}
