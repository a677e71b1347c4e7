import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { type Revision, revisionDigest, revisionSchema } from '../../src/shared/definition/revision.ts';
import { hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { readIfThere, setAside, syncDirectory, writeFileDurably } from '../store/durable.ts';
import { messageOf } from '../store/errors.ts';
import type { NumberedRevision } from './types.ts';

/** What revisions are, in files named by their digests; that of the factory revision is part of the root image. */
export class Contents {
  readonly #folder: string;
  readonly #factory: NumberedRevision;
  readonly #log: (message: string) => void;

  constructor(folder: string, factory: NumberedRevision, log: (message: string) => void) {
    this.#folder = folder;
    this.#factory = factory;
    this.#log = log;
  }

  /** Undefined when the file is missing or not what its name says; then it is set aside. */
  async read(digest: Digest): Promise<Revision | undefined> {
    if (digest === this.#factory.digest) return this.#factory.revision;
    const path = this.#fileOf(digest);
    try {
      const text = await readIfThere(path);
      if (text === undefined) {
        this.#log(`the revision ${digest} is missing`);
        return undefined;
      }
      const revision = revisionSchema.parse(JSON.parse(text));
      if (revisionDigest(revision) === digest) return revision;
      this.#log(`a revision is not what its name says; kept as ${await setAside(path)}`);
    } catch (error) {
      this.#log(`a revision is damaged (${messageOf(error)}); kept as ${await setAside(path)}`);
    }
    return undefined;
  }

  /** On the disk before it resolves. */
  async keep(digest: Digest, revision: Revision): Promise<void> {
    if (digest !== this.#factory.digest) await writeFileDurably(this.#fileOf(digest), canonicalJson(revision));
  }

  async remove(digest: Digest): Promise<void> {
    await rm(this.#fileOf(digest), { recursive: true, force: true });
    await syncDirectory(this.#folder);
  }

  /** Removes what a power cut left: half-written files, and those of revisions that were being collected. */
  async tidy(collected: readonly Digest[]): Promise<void> {
    const files = await readdir(this.#folder);
    for (const name of files) if (name.endsWith('.tmp')) await rm(join(this.#folder, name), { recursive: true });
    for (const digest of collected) if (files.includes(basename(this.#fileOf(digest)))) await this.remove(digest);
  }

  #fileOf(digest: Digest): string {
    return join(this.#folder, `${hexOf(digest)}.json`);
  }
}

/** Rejects with a sentence when the root image's own revision cannot be read. */
export async function readFactory(path: string): Promise<NumberedRevision> {
  try {
    const revision = revisionSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return { number: 0, digest: revisionDigest(revision), revision };
  } catch (error) {
    const message = `the factory revision ${path} cannot be read: ${messageOf(error)}; the image was not built whole`;
    throw new Error(message, { cause: error });
  }
}
