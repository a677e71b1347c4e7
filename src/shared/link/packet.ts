import { ByteReader, ByteWriter, MalformedError, varintLength } from './bytes.ts';
import type { Range } from './ranges.ts';

/**
 * A packet is the body of a session frame: kind, packet number, chunks. Packet numbers count transmissions and are never
 * used twice; data are named by stream and offset, so a lost range can be sent again cut differently and an
 * acknowledgement never means two things.
 */
export const PACKET = 0x82;

export type Chunk =
  | { type: 'ack'; ranges: Range[] }
  | { type: 'data'; stream: number; offset: number; fin: boolean; data: Buffer }
  | { type: 'open'; stream: number; priority: number; service: string }
  /** The sender of the stream's data may go up to this offset. */
  | { type: 'credit'; stream: number; limit: number }
  | { type: 'reset'; stream: number; reason: string }
  | { type: 'ping' }
  | { type: 'bye'; reason: string };

const codes = { ack: 1, data: 2, dataFin: 3, open: 4, credit: 5, reset: 6, ping: 7, bye: 8 } as const;

/** Ranges in one acknowledgement at most. */
export const MAX_ACK_RANGES = 24;

/** Bytes that a data chunk adds to its data. */
export function dataOverhead(stream: number, offset: number): number {
  return 1 + varintLength(stream) + varintLength(offset) + 2;
}

export function encodePacket(number: number, chunks: readonly Chunk[]): Buffer {
  const writer = new ByteWriter().u8(PACKET).varint(number);
  for (const chunk of chunks) encodeChunk(writer, chunk);
  return writer.finish();
}

/** Throws `MalformedError`. `reader` stands behind the kind byte. */
export function decodePacket(reader: ByteReader): { number: number; chunks: Chunk[] } {
  const number = reader.varint();
  const chunks: Chunk[] = [];
  while (!reader.isAtEnd) chunks.push(decodeChunk(reader));
  return { number, chunks };
}

/** Whether `body`, of a frame whose checksum fits, is a packet that says goodbye. */
export function isGoodbye(body: Buffer): boolean {
  try {
    return decodePacket(new ByteReader(body, 1)).chunks.some((chunk) => chunk.type === 'bye');
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw error;
  }
}

export function encodedLength(chunk: Chunk): number {
  const writer = new ByteWriter();
  encodeChunk(writer, chunk);
  return writer.length;
}

function encodeChunk(writer: ByteWriter, chunk: Chunk): void {
  switch (chunk.type) {
    case 'ack':
      encodeAck(writer, chunk.ranges);
      break;
    case 'data':
      writer
        .u8(chunk.fin ? codes.dataFin : codes.data)
        .varint(chunk.stream)
        .varint(chunk.offset);
      writer.varint(chunk.data.length).raw(chunk.data);
      break;
    case 'open':
      writer.u8(codes.open).varint(chunk.stream).u8(chunk.priority).text(chunk.service);
      break;
    case 'credit':
      writer.u8(codes.credit).varint(chunk.stream).varint(chunk.limit);
      break;
    case 'reset':
      writer.u8(codes.reset).varint(chunk.stream).text(chunk.reason);
      break;
    case 'ping':
      writer.u8(codes.ping);
      break;
    case 'bye':
      writer.u8(codes.bye).text(chunk.reason);
      break;
  }
}

function decodeChunk(reader: ByteReader): Chunk {
  const code = reader.u8();
  switch (code) {
    case codes.ack:
      return decodeAck(reader);
    case codes.data:
    case codes.dataFin: {
      const stream = reader.varint();
      const offset = reader.varint();
      const data = reader.raw(reader.varint());
      return { type: 'data', stream, offset, fin: code === codes.dataFin, data };
    }
    case codes.open:
      return { type: 'open', stream: reader.varint(), priority: reader.u8(), service: reader.text() };
    case codes.credit:
      return { type: 'credit', stream: reader.varint(), limit: reader.varint() };
    case codes.reset:
      return { type: 'reset', stream: reader.varint(), reason: reader.text() };
    case codes.ping:
      return { type: 'ping' };
    case codes.bye:
      return { type: 'bye', reason: reader.text() };
    default:
      throw new MalformedError(`chunk of unknown type ${code}`);
  }
}

/** From the highest range down: its last number, how many numbers precede it, then gap and length of each lower one. */
function encodeAck(writer: ByteWriter, ranges: readonly Range[]): void {
  const descending = ranges.slice(-MAX_ACK_RANGES).reverse();
  const [first] = descending;
  if (!first) throw new RangeError('an acknowledgement needs a range');
  writer
    .u8(codes.ack)
    .varint(descending.length)
    .varint(first.end - 1)
    .varint(first.end - first.start - 1);
  let floor = first.start;
  for (const range of descending.slice(1)) {
    writer.varint(floor - range.end - 1).varint(range.end - range.start - 1);
    floor = range.start;
  }
}

function decodeAck(reader: ByteReader): Chunk {
  const count = reader.varint();
  if (count < 1 || count > MAX_ACK_RANGES) throw new MalformedError(`acknowledgement of ${count} ranges`);
  const ranges: Range[] = [];
  let end = reader.varint() + 1;
  let start = end - 1 - reader.varint();
  for (;;) {
    if (start < 0) throw new MalformedError('acknowledgement below zero');
    ranges.unshift({ start, end });
    if (ranges.length === count) return { type: 'ack', ranges };
    end = start - 1 - reader.varint();
    start = end - 1 - reader.varint();
  }
}
