import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import { onTestFinished } from 'vitest';
import type { AnnounceImage } from '../../src/shared/api/types.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { type Digest, mediaTypes } from '../../src/shared/oci/types.ts';

/** A folder that is gone after the test. */
export async function temporaryFolder(parent = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, 'gantry-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface TarEntry extends Partial<Header> {
  name: string;
  content?: string;
}

export async function tarOf(entries: TarEntry[]): Promise<Buffer> {
  const stream = pack();
  for (const { content = '', ...header } of entries) {
    stream.entry(
      { mtime: new Date(1_700_000_000_000), mode: header.type === 'directory' ? 0o755 : 0o644, ...header },
      content,
    );
  }
  stream.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) if (chunk instanceof Uint8Array) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export interface TestLayer {
  diffId: Digest;
  digest: Digest;
  mediaType: string;
  blob: Buffer;
}

export function layerOf(tar: Buffer, compression: 'none' | 'gzip' | 'zstd' = 'gzip'): TestLayer {
  const [blob, mediaType] =
    compression === 'none'
      ? [tar, mediaTypes.layer]
      : compression === 'gzip'
        ? [gzipSync(tar), mediaTypes.layerGzip]
        : [zstdCompressSync(tar), mediaTypes.layerZstd];
  return { diffId: digestOf(tar), digest: digestOf(blob), mediaType, blob };
}

/** An image of the given layers, as a host announces it. */
export function imageOf(
  ref: string,
  layers: TestLayer[],
  overrides: { config?: object; manifest?: object } = {},
): AnnounceImage {
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    ...overrides.config,
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: digestOf(config), size: config.length },
    layers: layers.map(({ digest, mediaType, blob }) => ({ mediaType, digest, size: blob.length })),
    ...overrides.manifest,
  });
  return { ref, digest: digestOf(manifest), manifest, config };
}

/** The bytes in pieces of `size`, as a network would bring them. */
export async function* pieces(data: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < data.length; start += size) yield data.subarray(start, start + size);
}
