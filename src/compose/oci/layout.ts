import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { digestOf, hexOf } from '../../shared/oci/digest.ts';
import {
  type Descriptor,
  type Digest,
  type ImageConfig,
  type Index,
  type Manifest,
  mediaTypes,
} from '../../shared/oci/types.ts';
import { cacheDir, writeFileAtomic } from '../cache.ts';
import { ComposeError } from '../errors.ts';

const refName = 'org.opencontainers.image.ref.name';

/** An OCI image layout (OCI Image Layout Specification 1.1) in a folder. */
export class OciLayout {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  blobPath(digest: Digest): string {
    return join(this.dir, 'blobs', 'sha256', hexOf(digest));
  }

  has(digest: Digest): boolean {
    return existsSync(this.blobPath(digest));
  }

  openBlob(digest: Digest): Readable {
    return createReadStream(this.blobPath(digest), { highWaterMark: 1 << 20 });
  }

  async readBlob(digest: Digest): Promise<Buffer> {
    const data = await readFile(this.blobPath(digest));
    if (digestOf(data) !== digest)
      throw new ComposeError(`${this.blobPath(digest)} is not what its name says; delete it`);
    return data;
  }

  async writeBlob(data: Buffer | string, mediaType: string): Promise<Descriptor> {
    const digest = digestOf(data);
    if (!this.has(digest)) await writeFileAtomic(this.blobPath(digest), data);
    return { mediaType, digest, size: Buffer.byteLength(data) };
  }

  async index(): Promise<Index> {
    const text = await readFile(join(this.dir, 'index.json'), 'utf8').catch(() => undefined);
    return text === undefined ? { schemaVersion: 2, manifests: [] } : (JSON.parse(text) as Index);
  }

  /** The manifest that `ref` (`web:1`) names here for this architecture. */
  async find(ref: string, architecture: string): Promise<Descriptor | undefined> {
    const { manifests } = await this.index();
    return manifests.find(
      (m) => m.annotations?.[refName] === ref && (m.platform === undefined || m.platform.architecture === architecture),
    );
  }

  /** Lets `ref` name this manifest; an older one under the same name and architecture is forgotten. */
  async tag(ref: string, manifest: Descriptor, architecture: string): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    const index = await this.index();
    const others = index.manifests.filter(
      (m) => !(m.annotations?.[refName] === ref && m.platform?.architecture === architecture),
    );
    const entry: Descriptor = { ...manifest, platform: { architecture, os: 'linux' }, annotations: { [refName]: ref } };
    const manifests = [...others, entry].sort((a, b) => sortKey(a).localeCompare(sortKey(b)));
    await writeFileAtomic(join(this.dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFileAtomic(
      join(this.dir, 'index.json'),
      JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }, null, 2),
    );
  }

  async image(digest: Digest): Promise<{ manifest: Manifest; config: ImageConfig }> {
    const manifest = JSON.parse((await this.readBlob(digest)).toString()) as Manifest;
    const config = JSON.parse((await this.readBlob(manifest.config.digest)).toString()) as ImageConfig;
    return { manifest, config };
  }
}

function sortKey(descriptor: Descriptor): string {
  return `${descriptor.annotations?.[refName]} ${descriptor.platform?.architecture}`;
}

/** Where components built from recipes are kept: one layout for all of them, layers shared. */
export function localStore(): OciLayout {
  return new OciLayout(cacheDir('oci'));
}
