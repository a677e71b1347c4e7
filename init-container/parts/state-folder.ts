import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, syncDirectory, writeFileDurably } from '../store/durable.ts';

/**
 * Small text files of one folder that shell scripts read before any init container runs: one word or a few lines each.
 * Each is there in its old or its new content whatever happens, and changes are on the disk when the promises resolve.
 */
export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The file's first line; undefined when there is none, or it is empty. */
  async word(name: string): Promise<string | undefined> {
    return (await this.#text(name)).split('\n')[0]?.trim() || undefined;
  }

  /** A note of the scripts: what it is about, and what they say about it. */
  async note(name: string): Promise<{ about: string; words: string } | undefined> {
    const [about = '', ...lines] = (await this.#text(name)).trim().split('\n');
    return about === '' ? undefined : { about, words: lines.join(' ') };
  }

  async write(name: string, word: string): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await writeFileDurably(join(this.path, name), `${word}\n`);
  }

  /** Removes the files that are there. */
  async remove(...names: string[]): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    for (const name of names) await rm(join(this.path, name), { force: true });
    await syncDirectory(this.path);
  }

  async #text(name: string): Promise<string> {
    return (await readIfThere(join(this.path, name))) ?? '';
  }
}
