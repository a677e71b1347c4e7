import type { Digest } from '../oci/types.ts';
import { DeltaError } from './errors.ts';
import { ByteReader, varint } from './varint.ts';

/** Media type of a layer whose blob is a difference. */
export const deltaMediaType = 'application/vnd.gantry.layer.delta.v1';

/**
 * A difference, from its first byte on:
 *
 *     magic, version                 4 bytes
 *     length of the head             varint
 *     head     base recipe           0, or 1 and the 8 bytes of its `recipeId`
 *              recipe                its size, and how its serialised form is made; its base is the base recipe
 *              operations            how many, then each: see below
 *     data of the recipe             and then of the operations, in their order; nothing behind it
 *
 * The recipe's contents that no operation makes are on the device. An operation makes one or more of them, in order, as if they were
 * one behind the other in one file; its bases are older contents, also as if in one file: one of any size, or several that have no more
 * than `DICTIONARY_BYTES` together. Contents that operations make have zeros for a digest in the recipe: 32 bytes of each that nobody
 * needs.
 */
export interface DeltaHead {
  /** `recipeId` of the base recipe. */
  base?: string;
  /** How many bytes it has, and how they are made; a method's own `bases` are empty. */
  recipe: { size: number; method: Method };
  operations: Operation[];
}

/** The places of the contents in the recipe, in ascending order over all operations. */
export type Operation = { targets: number[] } & Method;

export type Method =
  /** All of it, compressed. */
  | { kind: 'literal'; data: Stream }
  /** In blocks, each a zstd frame with a part of the base as dictionary. */
  | { kind: 'dictionary'; bases: BaseContent[]; blocks: Block[] }
  /** Differences from pieces of the base; see `AddData`. */
  | { kind: 'add'; bases: BaseContent[]; streams: AddData<Stream> }
  /** The same bytes as those of an earlier operation. */
  | { kind: 'again'; operation: number };

/**
 * `steps`: varints, three a step: how far the place in the base moves first (zigzag); how many bytes of the base to take, with changes;
 * how many of `extra` to take as they are. `gaps`: varints, how many bytes of the base are unchanged until the next change, counted
 * over all steps. `words`: for each change four bytes, the difference of the numbers that the four bytes there are in old and new
 * (little endian, modulo 2^32; fewer at the end of a step). In code, addresses that move by the same distance change by the same number.
 */
export interface AddData<T> {
  steps: T;
  gaps: T;
  words: T;
  extra: T;
}

/** A place in the base recipe's contents, or a content of any layer. */
export type BaseContent = number | Digest;

export interface Stream {
  codec: 'zstd' | 'brotli';
  /** Of its content. */
  size: number;
  /** Of its bytes in the difference. */
  length: number;
}

export interface Block {
  /** Bytes of the target: `BLOCK_BYTES`, or fewer in the last one. */
  size: number;
  /** Which bytes of the base are the dictionary: at most `DICTIONARY_BYTES`. */
  from: number;
  dictionary: number;
  /** Of the frame. */
  length: number;
}

/** What a device holds of a dictionary operation at a time. */
export const BLOCK_BYTES = 4 * 1024 * 1024;
export const DICTIONARY_BYTES = 8 * 1024 * 1024;
/** The largest window of a stream: 8 MiB with zstd, 4 MiB with brotli. A device holds one for each stream that it reads. */
export const STREAM_WINDOW_LOG = { zstd: 23, brotli: 22 } as const;

/** Operations, contents, bases and blocks of a head: more than any recipe within its limits needs, and few enough to be held. */
const MOST_THINGS = 256 * 1024;

const MAGIC = Buffer.from('GDL\x01', 'latin1');
/** Magic and the longest varint. */
export const PREFIX_BYTES = MAGIC.length + 8;
/** Enough to tell the layers of a device apart; the tar's digest tells a mistake. */
export const RECIPE_ID_BYTES = 8;
const kinds = ['literal', 'dictionary', 'add', 'again'] as const;
const codecs = ['zstd', 'brotli'] as const;
const addParts = ['steps', 'gaps', 'words', 'extra'] as const;
const what = 'the difference';

/** Everything before the data of the operations. */
export function encodeHead({ base, recipe, operations }: DeltaHead): Buffer {
  const parts = base === undefined ? [varint(0)] : [varint(1), Buffer.from(base, 'hex')];
  parts.push(varint(recipe.size), encodeMethod(recipe.method));
  parts.push(varint(operations.length));
  let next = 0;
  for (const operation of operations) {
    parts.push(varint(operation.targets.length));
    for (const target of operation.targets) {
      parts.push(varint(target - next));
      next = target + 1;
    }
    parts.push(encodeMethod(operation));
  }
  const head = Buffer.concat(parts);
  return Buffer.concat([MAGIC, varint(head.length), head]);
}

/** How an operation, or the recipe, is made. */
export function encodeMethod(method: Method): Buffer {
  return Buffer.concat([varint(kinds.indexOf(method.kind)), ...encodeDetails(method)]);
}

function encodeDetails(method: Method): Buffer[] {
  if (method.kind === 'literal') return encodeStream(method.data);
  if (method.kind === 'again') return [varint(method.operation)];
  const bases = method.bases.flatMap((one) =>
    typeof one === 'number' ? [varint(one + 1)] : [varint(0), bytesOf(one)],
  );
  const encoded = [varint(method.bases.length), ...bases];
  if (method.kind === 'add') return [...encoded, ...addParts.flatMap((part) => encodeStream(method.streams[part]))];
  const blocks = method.blocks.flatMap(({ size, from, dictionary, length }) =>
    [size, from, dictionary, length].map(varint),
  );
  return [...encoded, varint(method.blocks.length), ...blocks];
}

function encodeStream({ codec, size, length }: Stream): Buffer[] {
  return [varint(codecs.indexOf(codec)), varint(size), varint(length)];
}

function bytesOf(digest: Digest): Buffer {
  return Buffer.from(digest.slice('sha256:'.length), 'hex');
}

/** Where the head is, from the first `PREFIX_BYTES` bytes (or all, if there are fewer). Throws a `DeltaError` if it is no difference. */
export function readPrefix(prefix: Buffer): { start: number; length: number } {
  if (!prefix.subarray(0, 3).equals(MAGIC.subarray(0, 3))) throw damaged('it does not begin as one');
  const version = prefix[3];
  if (version !== undefined && version !== MAGIC[3]) {
    throw new DeltaError('version', `the difference is of version ${version}, and only ${MAGIC[3]} is known here`);
  }
  const reader = new ByteReader(prefix.subarray(MAGIC.length), what);
  const length = reader.varint();
  return { start: prefix.length - reader.left, length };
}

/**
 * Reads the head. Which contents there are, whether the sizes fit together and what lies in the bases is not known here.
 * Throws a `DeltaError` (invalid).
 */
export function decodeHead(head: Buffer): DeltaHead {
  const reader = new HeadReader(head, what);
  const hasBase = oneOf(reader, [false, true]);
  const base = hasBase ? reader.bytes(RECIPE_ID_BYTES).toString('hex') : undefined;
  const recipe = { size: reader.varint(), method: decodeMethod(reader, []) };
  if ('bases' in recipe.method && recipe.method.bases.length > 0) throw damaged('its recipe builds on contents');
  const count = reader.count();
  const operations: Operation[] = [];
  let next = 0;
  for (let i = 0; i < count; i++) {
    const targets = Array.from({ length: reader.count() }, () => {
      const target = next + reader.varint();
      next = target + 1;
      return target;
    });
    if (targets.length === 0 || !Number.isSafeInteger(next)) throw damaged('an operation makes nothing that can be');
    operations.push({ targets, ...decodeMethod(reader, operations) });
  }
  if (reader.left > 0) throw damaged('its head is longer than what is in it');
  return { base, recipe, operations };
}

class HeadReader extends ByteReader {
  #things = 0;

  /** How many things follow; each takes at least a byte, so that no number alone takes memory. */
  count(): number {
    const count = this.varint();
    if (count > this.left) throw damaged('it ends too early');
    this.#things += count;
    if (this.#things > MOST_THINGS)
      throw new DeltaError('limit', 'the difference is made of more parts than any layer needs');
    return count;
  }
}

function decodeMethod(reader: HeadReader, before: readonly Operation[]): Method {
  const kind = oneOf(reader, kinds);
  if (kind === 'literal') return { kind, data: decodeStream(reader) };
  if (kind === 'again') {
    const operation = reader.varint();
    const same = before[operation];
    if (!same || same.kind === 'again') throw damaged('an operation refers to one that cannot be repeated');
    return { kind, operation };
  }
  const bases = Array.from({ length: reader.count() }, () => {
    const place = reader.varint();
    return place === 0 ? digest(reader) : place - 1;
  });
  if (kind === 'add') {
    const [steps, gaps, words, extra] = [0, 1, 2, 3].map(() => decodeStream(reader));
    if (!steps || !gaps || !words || !extra) throw damaged('it has no streams');
    return { kind, bases, streams: { steps, gaps, words, extra } };
  }
  const blocks = Array.from({ length: reader.count() }, () => decodeBlock(reader));
  // Each costs reading a dictionary, so there are no more of them than its size needs.
  if (blocks.slice(0, -1).some(({ size }) => size !== BLOCK_BYTES))
    throw damaged('a block of it is smaller than blocks are');
  return { kind, bases, blocks };
}

function decodeStream(reader: ByteReader): Stream {
  const codec = oneOf(reader, codecs);
  return { codec, size: reader.varint(), length: reader.varint() };
}

function decodeBlock(reader: ByteReader): Block {
  const [size, from, dictionary, length] = [reader.varint(), reader.varint(), reader.varint(), reader.varint()];
  // What does not become smaller grows by a few bytes in a thousand.
  const longest = size + size / 128 + 64;
  if (size > BLOCK_BYTES || size === 0 || dictionary > DICTIONARY_BYTES || length > longest) {
    throw damaged('a block of it is larger than blocks may be');
  }
  return { size, from, dictionary, length };
}

function digest(reader: ByteReader): Digest {
  return `sha256:${reader.bytes(32).toString('hex')}`;
}

function oneOf<T>(reader: ByteReader, values: readonly T[]): T {
  const value = values[reader.varint()];
  if (value === undefined) throw damaged('it has something in it that is not known here');
  return value;
}

export function damaged(why: string): DeltaError {
  return new DeltaError('invalid', `${what} is damaged: ${why}`);
}

/** How many bytes it makes; undefined: its data say. */
export function madeBy(method: Method): number | undefined {
  if (method.kind === 'literal') return method.data.size;
  if (method.kind === 'dictionary') return method.blocks.reduce((sum, { size }) => sum + size, 0);
  return undefined;
}

/** How many bytes of data an operation has in the difference. */
export function dataLength(method: Method): number {
  if (method.kind === 'literal') return method.data.length;
  if (method.kind === 'again') return 0;
  if (method.kind === 'dictionary') return method.blocks.reduce((sum, { length }) => sum + length, 0);
  return addParts.reduce((sum, part) => sum + method.streams[part].length, 0);
}
