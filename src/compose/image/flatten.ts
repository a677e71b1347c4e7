import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Descriptor } from '../../shared/oci/types.ts';
import { type Entry, symlink } from '../oci/entry.ts';
import type { OciLayout } from '../oci/layout.ts';
import { readTar } from '../oci/tar.ts';

/** The entries of a layer blob, uncompressed. */
export function layerEntries(layout: OciLayout, layer: Descriptor): AsyncGenerator<Entry> {
  return readTar(uncompressed(layout.openBlob(layer.digest), layer.mediaType));
}

/** The tar in a layer's blob. */
export function uncompressed(blob: Readable, mediaType: string): Readable {
  const unpack = mediaType.endsWith('gzip')
    ? createGunzip()
    : mediaType.endsWith('zstd')
      ? createZstdDecompress()
      : undefined;
  if (unpack === undefined) return blob;
  blob.on('error', (error) => unpack.destroy(error));
  return blob.pipe(unpack);
}

const whiteout = /(^|\/)\.wh\.([^/]+)$/;

/** Lays one layer over a root, whiteouts applied. Source: OCI image-spec layer.md, "Applying Changesets". */
export async function applyLayer<E extends Pick<Entry, 'path' | 'type'>>(
  root: Map<string, E>,
  entries: AsyncIterable<E> | Iterable<E>,
): Promise<void> {
  for await (const entry of entries) {
    const removed = whiteout.exec(entry.path);
    if (removed === null) {
      const old = root.get(entry.path);
      // A folder does not replace a link to a folder (Debian's merged /usr).
      if (entry.type === 'directory' && old?.type === 'symlink') continue;
      root.set(entry.path, entry);
      continue;
    }
    const parent = entry.path.slice(0, entry.path.length - (removed[2] ?? '').length - '.wh.'.length);
    const target = removed[2] === '.wh..opq' ? parent : `${parent}${removed[2]}`;
    for (const path of [...root.keys()]) {
      if (path === target || path.startsWith(target.endsWith('/') ? target : `${target}/`)) root.delete(path);
    }
  }
}

/**
 * A layer's entry as it lies in a layer folder that overlayfs can use: a whiteout becomes a character device 0:0, an
 * opaque mark an attribute of its folder. Source: Linux Documentation/filesystems/overlayfs.rst.
 */
export function overlayEntry(entry: Entry): Entry | undefined {
  const removed = whiteout.exec(entry.path);
  if (removed === null) return entry;
  if (removed[2] === '.wh..opq') {
    const parent = entry.path.replace(/\/?[^/]+$/, '');
    const opaque = { 'SCHILY.xattr.trusted.overlay.opaque': 'y' };
    return { path: parent, type: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: 0, pax: opaque };
  }
  const path = entry.path.replace(whiteout, `$1${removed[2]}`);
  return { ...symlink(path, ''), type: 'character-device', mode: 0, devmajor: 0, devminor: 0 };
}
