import { closeSync, copyFileSync, openSync, readSync, writeSync } from 'node:fs';
import { execa } from 'execa';
import type { Random } from '../random.ts';
import type { Recorded } from './write-log.ts';

/**
 * What a disk with a cache may hold when the power is cut: `all`: everything written so far. `flushed`: only what was
 * flushed. `some`: any part of the rest. `shuffled`: any part of it, in any order, the last one torn between two sectors.
 */
export const fates = ['all', 'flushed', 'some', 'shuffled'] as const;
export type Fate = (typeof fates)[number];

const sector = 512;

/** Disk images as they would be after a power cut, made from a recorded run; to be asked for in the order of the cuts. */
export class Replay {
  readonly #requests: readonly Recorded[];
  readonly #log: number;
  readonly #base: string;
  /** How many requests the base holds. */
  #applied = 0;

  /** `before`: the disk as it was when recording began; it is copied to `base`. */
  constructor(requests: readonly Recorded[], logPath: string, before: string, base: string) {
    this.#requests = requests;
    this.#log = openSync(logPath, 'r');
    this.#base = base;
    copyFileSync(before, base);
  }

  close(): void {
    closeSync(this.#log);
  }

  /** Writes the disk after a cut behind the first `cut` requests to `target`. Says how many unflushed writes were kept. */
  async make(cut: number, fate: Fate, random: Random, target: string): Promise<{ unflushed: number; kept: number }> {
    const flushed = lastFlush(this.#requests, cut);
    if (flushed < this.#applied) throw new Error('cuts must be asked for in their order');
    this.#write(this.#base, this.#requests.slice(this.#applied, flushed));
    this.#applied = flushed;
    await execa('cp', ['--sparse=always', this.#base, target]);
    const unflushed = this.#requests.slice(flushed, cut);
    const survivors = surviving(unflushed, fate, random);
    this.#write(target, survivors);
    return { unflushed: unflushed.length, kept: survivors.length };
  }

  #write(path: string, requests: readonly Recorded[]): void {
    const disk = openSync(path, 'r+');
    try {
      for (const { kind, offset, length, dataAt } of requests) {
        if (kind === 'flush') continue;
        const bytes = Buffer.alloc(length);
        if (kind === 'write') readSync(this.#log, bytes, 0, length, dataAt);
        writeSync(disk, bytes, 0, length, offset);
      }
    } finally {
      closeSync(disk);
    }
  }
}

/** How many requests there are up to and with the last flush of the first `cut`: that many are on the disk for certain. */
export function lastFlush(requests: readonly Recorded[], cut: number): number {
  return requests.slice(0, cut).findLastIndex(({ kind }) => kind === 'flush') + 1;
}

export function surviving(unflushed: readonly Recorded[], fate: Fate, random: Random): Recorded[] {
  if (fate === 'all') return [...unflushed];
  const lucky = (request: Recorded) => request.through || (fate !== 'flushed' && random.next() < 0.5);
  const kept = unflushed.filter(lucky);
  if (fate !== 'shuffled') return kept;
  const shuffled = kept
    .map((request) => ({ request, key: random.next() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ request }) => request);
  const last = shuffled.pop();
  if (last === undefined) return shuffled;
  const sectors = last.length / sector;
  const torn = last.through ? sectors : Math.ceil(random.next() * sectors);
  return [...shuffled, { ...last, length: torn * sector }];
}
