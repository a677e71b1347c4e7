import { applyAdd } from './apply-add.ts';
import { type ByteSource, CHUNK, readExactly } from './byte-source.ts';
import { type AddData, type Block, damaged, type Method, type Stream } from './format.ts';
import { StreamReader } from './stream-reader.ts';
import { unzstd } from './zstd.ts';

export interface Performed {
  /** What it builds on. */
  base: ByteSource;
  /** Where its data is in the difference. */
  position: number;
  /** Of all that it makes. */
  size: number;
}

/** What a method makes, piece by piece. Throws a `DeltaError` if its data are damaged; it may make less than it should. */
export async function* perform(
  delta: ByteSource,
  method: Method,
  { base, position, size }: Performed,
): AsyncGenerator<Buffer> {
  if (method.kind === 'literal') yield* literal(delta, method.data, position);
  if (method.kind === 'dictionary') yield* blocksOf(delta, base, method.blocks, position);
  if (method.kind === 'add') yield* add(delta, base, method.streams, position, size);
}

async function* literal(delta: ByteSource, data: Stream, position: number): AsyncGenerator<Buffer> {
  const reader = new StreamReader(delta, position, data);
  try {
    for (let piece = await reader.some(CHUNK); piece.length > 0; piece = await reader.some(CHUNK)) yield piece;
  } finally {
    reader.close();
  }
}

async function* blocksOf(
  delta: ByteSource,
  base: ByteSource,
  blocks: readonly Block[],
  start: number,
): AsyncGenerator<Buffer> {
  let position = start;
  for (const { size, from, dictionary: length, length: frameLength } of blocks) {
    if (from + length > base.size) throw damaged('a block of it builds on what is behind the end of its base');
    const dictionary = await readExactly(base, from, length, 'a content that the difference builds on');
    const frame = await readExactly(delta, position, frameLength, 'the difference');
    position += frameLength;
    yield await unzstd(frame, { size, dictionary, what: 'the difference' });
  }
}

async function* add(
  delta: ByteSource,
  base: ByteSource,
  data: AddData<Stream>,
  start: number,
  size: number,
): AsyncGenerator<Buffer> {
  const opened: StreamReader[] = [];
  let position = start;
  const open = (stream: Stream): StreamReader => {
    const reader = new StreamReader(delta, position, stream);
    opened.push(reader);
    position += stream.length;
    return reader;
  };
  try {
    const streams = {
      steps: open(data.steps),
      gaps: open(data.gaps),
      words: open(data.words),
      extra: open(data.extra),
    };
    yield* applyAdd(base, streams, size);
  } finally {
    for (const reader of opened) reader.close();
  }
}
