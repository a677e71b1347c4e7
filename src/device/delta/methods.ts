import { setImmediate } from 'node:timers/promises';
import {
  type BaseContent,
  BLOCK_BYTES,
  DICTIONARY_BYTES,
  encodeMethod,
  type Method,
} from '../../shared/delta/format.ts';
import { zstdOf } from '../../shared/delta/zstd.ts';
import { addStreams } from './add-streams.ts';
import { type Effort, pack, zstdLevels } from './compressors.ts';
import { ContentIndex, type IndexOptions } from './content-index.ts';

/** An operation without its targets, and its data. */
export interface Made {
  method: Method;
  data: Buffer[];
}

const MIB = 1024 * 1024;
/** How far before the same place in a base that is larger than a dictionary the dictionary begins. */
const BEFORE = 2 * MIB;

/** Bytes in the difference. */
export function lengthOf({ method, data }: Made): number {
  return encodeMethod(method).length + data.reduce((sum, { length }) => sum + length, 0);
}

export async function makeLiteral(fresh: Buffer, effort: Effort): Promise<Made> {
  const { stream, bytes } = await pack(fresh, effort);
  return { method: { kind: 'literal', data: stream }, data: [bytes] };
}

/** In blocks, so that whoever makes them again holds one and its part of the base. */
export async function makeDictionary(old: Buffer, bases: BaseContent[], fresh: Buffer, effort: Effort): Promise<Made> {
  const starts = Array.from({ length: Math.ceil(fresh.length / BLOCK_BYTES) }, (_, i) => i * BLOCK_BYTES);
  const made = await Promise.all(
    starts.map(async (start) => {
      const block = fresh.subarray(start, start + BLOCK_BYTES);
      const from = Math.max(0, Math.min(start - BEFORE, old.length - DICTIONARY_BYTES));
      const dictionary = old.subarray(from, from + DICTIONARY_BYTES);
      const frame = await zstdOf(block, { level: zstdLevels[effort], dictionary });
      return { frame, block: { size: block.length, from, dictionary: dictionary.length, length: frame.length } };
    }),
  );
  return {
    method: { kind: 'dictionary', bases, blocks: made.map(({ block }) => block) },
    data: made.map(({ frame }) => frame),
  };
}

/** `onProgress` is told how many bytes of `fresh` have been looked at. */
export async function makeAdd(
  old: Buffer,
  bases: BaseContent[],
  fresh: Buffer,
  effort: Effort,
  onProgress: (bytes: number) => void = () => undefined,
): Promise<Made> {
  const work = addStreams(new ContentIndex(old, indexOptions(old.length)), fresh);
  let step = work.next();
  for (; !step.done; step = work.next()) {
    onProgress(step.value);
    // Others of this process want the processor too.
    await setImmediate();
  }
  const { steps, gaps, words, extra } = step.value;
  const packed = await Promise.all([steps, gaps, words, extra].map((stream) => pack(stream, effort)));
  const [packedSteps, packedGaps, packedWords, packedExtra] = packed.map(({ stream }) => stream);
  if (!packedSteps || !packedGaps || !packedWords || !packedExtra) throw new Error('a stream was not compressed');
  const streams = { steps: packedSteps, gaps: packedGaps, words: packedWords, extra: packedExtra };
  return { method: { kind: 'add', bases, streams }, data: packed.map(({ bytes }) => bytes) };
}

/** Fewer pieces of larger contents, for the host’s memory and time. */
function indexOptions(size: number): IndexOptions {
  if (size <= 16 * MIB) return { seed: 12, step: 1, depth: 16 };
  if (size <= 48 * MIB) return { seed: 16, step: 4, depth: 8 };
  return { seed: 16, step: 8, depth: 8 };
}
