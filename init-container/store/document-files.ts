import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, hexOf, isDigest } from '../../src/shared/oci/digest.ts';
import type { Arch, Digest } from '../../src/shared/oci/types.ts';
import { exists, setAside, writeFileDurably } from './durable.ts';
import { errorCode, messageOf, StoreError } from './errors.ts';
import { type ImageDocuments, parseImage } from './image-documents.ts';

/** Manifests and configurations of images, in files named by their digests: those of the root image, and those sent. */
export class DocumentFiles {
  readonly #factory: string;
  readonly #own: string;
  readonly #arch: Arch;

  constructor(factory: string, own: string, arch: Arch) {
    this.#factory = factory;
    this.#own = own;
    this.#arch = arch;
  }

  /**
   * Sets aside what is not what its name says. Documents are small: all are read at each start. Half-written ones are what
   * a power cut left, and no loss.
   */
  async check(log: (message: string) => void): Promise<void> {
    for (const name of await readdir(this.#own)) {
      const path = join(this.#own, name);
      if (name.endsWith('.tmp')) {
        await rm(path, { recursive: true, force: true });
        continue;
      }
      const flaw = await readFile(path).then(
        (bytes) => (hexOf(digestOf(bytes)) === name ? undefined : 'it is not what its name says'),
        messageOf,
      );
      if (flaw !== undefined) log(`the image document ${name} is damaged (${flaw}); kept as ${await setAside(path)}`);
    }
  }

  /** Undefined when this device does not know the image; rejects when its documents are damaged. */
  async read(digest: Digest): Promise<ImageDocuments | undefined> {
    const texts = await this.texts(digest);
    return texts && parseImage({ ref: digest, digest, ...texts }, this.#arch);
  }

  /** As they are. Undefined when this device does not know the image. */
  async texts(digest: Digest): Promise<{ manifest: string; config: string } | undefined> {
    const manifest = await this.#text(digest);
    const configDigest = manifest && configDigestOf(manifest);
    const config = configDigest && (await this.#text(configDigest));
    return config ? { manifest, config } : undefined;
  }

  /** On the disk before it resolves. */
  async keep(digest: Digest, text: string): Promise<void> {
    if (await exists(join(this.#factory, hexOf(digest)))) return;
    // Written even if it is there: an announcement mends a damaged one.
    await writeFileDurably(join(this.#own, hexOf(digest)), text);
  }

  async #text(digest: Digest): Promise<string | undefined> {
    for (const folder of [this.#factory, this.#own]) {
      try {
        return await readFile(join(folder, hexOf(digest)), 'utf8');
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error;
      }
    }
    return undefined;
  }
}

function configDigestOf(manifest: string): Digest | undefined {
  try {
    const value: unknown = JSON.parse(manifest);
    const config = typeof value === 'object' && value !== null && 'config' in value ? value.config : undefined;
    const digest = typeof config === 'object' && config !== null && 'digest' in config ? config.digest : undefined;
    return typeof digest === 'string' && isDigest(digest) ? digest : undefined;
  } catch (error) {
    throw new StoreError('invalid', `a manifest on this device is damaged: ${messageOf(error)}`, error);
  }
}
