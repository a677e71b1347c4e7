import { decodeAck, encodeAck } from './ack.ts';
import { ByteReader, ByteWriter, MalformedError } from './bytes.ts';
import type { Range } from './ranges.ts';

/**
 * A packet is the body of a session frame: kind, packet number, chunks. Packet numbers count transmissions and are never
 * used twice; data are named by stream and offset, so a lost range can be sent again cut differently and an
 * acknowledgement never means two things.
 *
 * On a slow line each byte of a header counts. A number may be sent as its last byte, an offset as its last two, and a
 * packet of nothing but data goes without the chunk's type and length. Whatever is left out enters the checksum (`salt`),
 * so that a receiver who completes it wrongly sees a damaged frame, never wrong data.
 */
export const PACKET = 0xa0;
const SHORT_NUMBER = 0x02;
const ONLY_DATA = 0x04;
const SHORT_OFFSET = 0x08;

export interface AckChunk {
  type: 'ack';
  ranges: Range[];
  /** Milliseconds since the highest of them arrived, at most 255. */
  delay: number;
}

export interface DataChunk {
  type: 'data';
  stream: number;
  offset: number;
  fin: boolean;
  data: Buffer;
}

export type Chunk =
  | AckChunk
  | DataChunk
  | { type: 'open'; stream: number; priority: number; service: string }
  /** The sender of the stream's data may go up to this offset. */
  | { type: 'credit'; stream: number; limit: number }
  | { type: 'reset'; stream: number; reason: string }
  | { type: 'ping' }
  | { type: 'bye'; reason: string };

const codes = { ack: 1, data: 2, dataFin: 3, open: 4, credit: 5, reset: 6, ping: 7, bye: 8 } as const;

/** What a sender knows to be certain about its receiver: see `OpenPacket`'s `Expected`. */
export interface Shape {
  /** Fewer than 256 packets have been sent since the newest one that was acknowledged. */
  shortNumber: boolean;
  /** The stream has less than 32 KiB on its way. */
  shortOffset: boolean;
}

/** What a receiver completes short fields from. */
export interface Expected {
  /** One more than the highest packet number received. */
  nextNumber: number;
  /** Where the data received of a stream end; undefined for one that cannot exist. */
  reach(stream: number): number | undefined;
}

export interface EncodedPacket {
  body: Buffer;
  /** To be XORed into the seed of the checksum. */
  salt: number;
}

/** A packet whose checksum still has to be looked at. */
export interface OpenPacket {
  number: number;
  salt: number;
  /** Throws `MalformedError`. */
  chunks(): Chunk[];
}

export function encodePacket(number: number, chunks: readonly Chunk[], shape: Shape): EncodedPacket {
  const [first] = chunks;
  const only = chunks.length === 1 && first?.type === 'data' && !first.fin ? first : undefined;
  const isShortOffset = only !== undefined && shape.shortOffset;
  const kind =
    PACKET | (shape.shortNumber ? SHORT_NUMBER : 0) | (only ? ONLY_DATA : 0) | (isShortOffset ? SHORT_OFFSET : 0);
  const writer = new ByteWriter().u8(kind);
  if (shape.shortNumber) writer.u8(number % 0x100);
  else writer.varint(number);
  if (only) {
    writer.varint(only.stream);
    if (isShortOffset) writer.u16(only.offset % 0x1_0000);
    else writer.varint(only.offset);
    writer.raw(only.data);
  } else {
    for (const chunk of chunks) encodeChunk(writer, chunk);
  }
  return { body: writer.finish(), salt: saltOf(number, only?.offset ?? 0) };
}

/** Undefined when `body` is no packet. Says nothing yet about whether it is undamaged. */
export function openPacket(body: Buffer, expected: Expected): OpenPacket | undefined {
  const kind = body[0] ?? 0;
  if ((kind & 0xf1) !== PACKET) return undefined;
  try {
    const reader = new ByteReader(body, 1);
    const number = kind & SHORT_NUMBER ? after(expected.nextNumber, reader.u8()) : reader.varint();
    if (!(kind & ONLY_DATA)) return { number, salt: saltOf(number, 0), chunks: () => decodeChunks(reader) };
    const stream = reader.varint();
    const reach = expected.reach(stream) ?? 0;
    const offset = kind & SHORT_OFFSET ? nearest(reach, reader.u16()) : reader.varint();
    if (offset < 0) return undefined;
    const data = reader.rest();
    return { number, salt: saltOf(number, offset), chunks: () => [{ type: 'data', stream, offset, fin: false, data }] };
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

/** A line keeps order: the first number from `next` on that ends in this byte. */
function after(next: number, low: number): number {
  return next + ((((low - next) % 0x100) + 0x100) % 0x100);
}

function nearest(reach: number, low: number): number {
  const distance = (((low - reach) % 0x1_0000) + 0x1_0000) % 0x1_0000;
  return distance < 0x8000 ? reach + distance : reach + distance - 0x1_0000;
}

/** Different for numbers and for offsets that differ in what a short field leaves out. */
function saltOf(number: number, offset: number): number {
  const high = Math.imul(Math.floor(number / 0x100), 0x9e3779b1);
  return (high ^ Math.imul(Math.floor(offset / 0x1_0000), 0x85ebca6b)) >>> 0;
}

export function encodedLength(chunk: Chunk): number {
  const writer = new ByteWriter();
  encodeChunk(writer, chunk);
  return writer.length;
}

function encodeChunk(writer: ByteWriter, chunk: Chunk): void {
  switch (chunk.type) {
    case 'ack':
      encodeAck(writer.u8(codes.ack).u8(chunk.delay), chunk.ranges);
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

function decodeChunks(reader: ByteReader): Chunk[] {
  const chunks: Chunk[] = [];
  while (!reader.isAtEnd) chunks.push(decodeChunk(reader));
  return chunks;
}

function decodeChunk(reader: ByteReader): Chunk {
  const code = reader.u8();
  switch (code) {
    case codes.ack:
      return { type: 'ack', delay: reader.u8(), ranges: decodeAck(reader) };
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
