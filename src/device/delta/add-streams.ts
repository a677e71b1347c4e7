import { ByteList } from '../../shared/delta/byte-list.ts';
import type { AddData } from '../../shared/delta/format.ts';
import { type ContentIndex, runLength, type Searcher } from './content-index.ts';

/** An exact match elsewhere must be so much longer than what the present alignment has in common, as in bsdiff. */
const BETTER_BY = 8;
/** So many equal bytes in a row at the present alignment are not given up for anything. */
const GOOD_RUN = 32;

/**
 * What `applyAdd` makes `fresh` from. bsdiff's method (Colin Percival, "Naive differences of executable code"): find where the new
 * content is like the old one, and extend in both directions as long as more than half of the bytes agree. The places are found in a
 * hash index instead of a suffix array, and what differs is written as numbers of four bytes.
 *
 * A generator, because it takes seconds: it hands back the processor now and then, with the place that it has reached.
 */
export function* addStreams(index: ContentIndex, fresh: Buffer): Generator<number, AddData<Buffer>> {
  const old = index.content;
  const out = new StepWriter(old, fresh);
  const scanner = new Scanner(index, fresh);
  // What has been decided up to: `done` in the new content corresponds to `donePos` in the old one.
  let [done, donePos] = [0, 0];
  while (scanner.scan < fresh.length) {
    if (!scanner.advance()) {
      yield scanner.scan;
      continue;
    }
    const { scan, pos } = scanner;
    let forward = extend(old, donePos, fresh, done, 1, Math.min(scan - done, old.length - donePos));
    let backward = scan < fresh.length ? extend(old, pos - 1, fresh, scan - 1, -1, Math.min(scan - done, pos)) : 0;
    const overlap = done + forward - (scan - backward);
    if (overlap > 0) {
      const split = bestSplit(old, donePos + forward - overlap, pos - backward, fresh, scan - backward, overlap);
      forward += split - overlap;
      backward -= split;
    }
    out.step(done, donePos, forward, scan - backward - (done + forward));
    [done, donePos] = [scan - backward, pos - backward];
    scanner.align();
  }
  return out.end();
}

/** So many bytes are looked at before others get the processor. */
const AT_A_TIME = 1024 * 1024;

/** Goes through the new content until it has a match that is better than the present alignment of the two. */
class Scanner {
  readonly #old: Buffer;
  readonly #fresh: Buffer;
  readonly #search: Searcher;
  /** Where the present alignment has in the old content what is at 0 in the new one. */
  #offset = 0;
  /** Of the match that has been found: its place in the new and in the old content, and how long it is. */
  scan = 0;
  pos = 0;
  #length = 0;
  /** How many bytes of it agree at the present alignment too, of those up to `counted`. */
  #common = 0;
  #counted = 0;

  constructor(index: ContentIndex, fresh: Buffer) {
    this.#old = index.content;
    this.#fresh = fresh;
    this.#search = index.searcher(fresh);
  }

  /** True: what is at `scan` is at `pos`, or `scan` is at the end. False: nothing is known yet, and more has to be looked at. */
  advance(): boolean {
    const [old, fresh, search, offset] = [this.#old, this.#fresh, this.#search, this.#offset];
    const end = fresh.length;
    let scan = this.scan;
    let length = this.#length;
    let common = this.#common;
    let counted = this.#counted;
    const pause = Math.min(end, scan + AT_A_TIME);
    if (length > 0) {
      scan += length;
      counted = scan;
      common = 0;
      length = 0;
    }
    let isBetter = false;
    for (; scan < pause; scan++) {
      const aligned = runLength(old, scan + offset, fresh, scan, GOOD_RUN);
      if (aligned === GOOD_RUN) {
        scan += runLength(old, scan + offset, fresh, scan, end);
        counted = scan;
        common = 0;
        // The loop looks at the next one.
        scan--;
        continue;
      }
      length = search.at(scan);
      for (; counted < scan + length; counted++) if (old[counted + offset] === fresh[counted]) common++;
      isBetter = length > common + BETTER_BY;
      if (isBetter) break;
      if (length > 0 && length === common) {
        // As good at the present alignment.
        scan += length - 1;
        counted = scan + 1;
        common = 0;
      } else if (old[scan + offset] === fresh[scan]) {
        common--;
      }
    }
    [this.scan, this.#length, this.#common, this.#counted] = [scan, length, common, counted];
    if (!isBetter) this.#length = 0;
    this.pos = search.found;
    return isBetter || scan >= end;
  }

  /** Makes the match that has been found the present alignment. */
  align(): void {
    this.#offset = this.pos - this.scan;
  }
}

/** How far the two agree in more than half of the bytes, from the two places in the given direction. */
function extend(old: Buffer, oldAt: number, fresh: Buffer, freshAt: number, direction: 1 | -1, most: number): number {
  let [score, bestScore, best] = [0, 0, 0];
  for (let i = 0; i < most; i++) {
    score += old[oldAt + i * direction] === fresh[freshAt + i * direction] ? 1 : -1;
    if (score > bestScore) {
      bestScore = score;
      best = i + 1;
    }
  }
  return best;
}

/** Two alignments reach over the same `length` bytes: up to where the first has more in common with them. */
function bestSplit(old: Buffer, first: number, second: number, fresh: Buffer, at: number, length: number): number {
  let [score, bestScore, best] = [0, 0, 0];
  for (let i = 0; i < length; i++) {
    if (fresh[at + i] === old[first + i]) score++;
    if (fresh[at + i] === old[second + i]) score--;
    if (score > bestScore) {
      bestScore = score;
      best = i + 1;
    }
  }
  return best;
}

/** Writes steps as `AddData` says. */
class StepWriter {
  readonly #old: Buffer;
  readonly #fresh: Buffer;
  readonly #steps = new ByteList();
  readonly #gaps = new ByteList();
  readonly #words = new ByteList();
  readonly #extra = new ByteList();
  /** Where the last step ended in the old content, and bytes since the last change. */
  #oldEnd = 0;
  #gap = 0;

  constructor(old: Buffer, fresh: Buffer) {
    this.#old = old;
    this.#fresh = fresh;
  }

  /** `add` bytes from `oldAt`, changed, then `copy` bytes as they are. */
  step(freshAt: number, oldAt: number, add: number, copy: number): void {
    if (add + copy === 0) return;
    this.#steps.zigzag(add === 0 ? 0 : oldAt - this.#oldEnd);
    if (add > 0) this.#oldEnd = oldAt + add;
    this.#steps.varint(add);
    this.#steps.varint(copy);
    this.#changes(freshAt, oldAt, add);
    this.#extra.append(this.#fresh.subarray(freshAt + add, freshAt + add + copy));
  }

  end(): AddData<Buffer> {
    return { steps: this.#steps.bytes, gaps: this.#gaps.bytes, words: this.#words.bytes, extra: this.#extra.bytes };
  }

  #changes(freshAt: number, oldAt: number, length: number): void {
    const [old, fresh] = [this.#old, this.#fresh];
    for (let i = 0; i < length; ) {
      if (old[oldAt + i] === fresh[freshAt + i]) {
        this.#gap++;
        i++;
        continue;
      }
      this.#gaps.varint(this.#gap);
      this.#gap = 0;
      let [before, after] = [0, 0];
      const width = Math.min(4, length - i);
      for (let byte = width - 1; byte >= 0; byte--) {
        before = (before << 8) | (old[oldAt + i + byte] ?? 0);
        after = (after << 8) | (fresh[freshAt + i + byte] ?? 0);
      }
      this.#words.word(after - before);
      i += width;
    }
  }
}
