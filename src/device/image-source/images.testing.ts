import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOf, hexOf } from '../../shared/oci/digest.ts';
import { type Descriptor, type Digest, mediaTypes } from '../../shared/oci/types.ts';

/** An image of two layers as blobs by digest. The layers' contents are not tars: nothing here unpacks them. */
export interface TestImage {
  ref: string;
  manifest: Descriptor;
  manifestText: string;
  configText: string;
  layers: { descriptor: Descriptor; diffId: Digest; data: Buffer; plain: Buffer }[];
  blobs: Map<Digest, Buffer>;
}

export function makeImage(ref: string, architecture = 'amd64', sizes = [2000, 300_000]): TestImage {
  const blobs = new Map<Digest, Buffer>();
  const put = (mediaType: string, data: Buffer): Descriptor => {
    const digest = digestOf(data);
    blobs.set(digest, data);
    return { mediaType, digest, size: data.length };
  };
  const layers = sizes.map((size, index) => {
    const plain = Buffer.alloc(size, `${ref} ${architecture} layer ${index} `);
    const data = index === 0 ? gzipSync(plain) : plain;
    return {
      descriptor: put(index === 0 ? mediaTypes.layerGzip : mediaTypes.layer, data),
      diffId: digestOf(plain),
      data,
      plain,
    };
  });
  const configText = JSON.stringify({
    architecture,
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const config = put(mediaTypes.config, Buffer.from(configText));
  const manifestText = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  const manifest = put(mediaTypes.manifest, Buffer.from(manifestText));
  return { ref, manifest, manifestText, configText, layers, blobs };
}

/** Writes an OCI layout with these images, each under its `ref`, as Gantry's own builds do. */
export function writeLayout(dir: string, images: TestImage[], architectures: string[] = []): void {
  mkdirSync(join(dir, 'blobs', 'sha256'), { recursive: true });
  for (const { blobs } of images) {
    for (const [digest, data] of blobs) writeFileSync(join(dir, 'blobs', 'sha256', hexOf(digest)), data);
  }
  const manifests = images.map(({ manifest, ref }, index) => ({
    ...manifest,
    ...(architectures[index] && { platform: { os: 'linux', architecture: architectures[index] } }),
    annotations: { 'org.opencontainers.image.ref.name': ref },
  }));
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }));
}
