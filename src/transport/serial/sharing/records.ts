import { z } from 'zod';
import { lineOrderSchema, lineReportSchema, lineServices } from '../line.ts';

/**
 * What programs of one person say to each other about a line, over a unix socket: records of type (one byte), length (32
 * bits) and bytes. A connection begins with a request from the guest; what follows depends on its kind. A connection that
 * ends without `end` or `fail` was broken.
 */
export const recordTypes = { words: 0, data: 1, end: 2, fail: 3 } as const;
export type RecordType = keyof typeof recordTypes;

/** Changes when holder and guest would not understand each other. */
export const SHARING_VERSION = 1;

/** Bytes of one record at most; more data are cut into several. */
const MAX_RECORD = 64 * 1024;
const HEADER = 5;

export const requestSchema = z.intersection(
  z.object({
    version: z.number(),
    /** The guest's own idea of the line, which must be the holder's. */
    baud: z.number(),
    flow: z.enum(['none', 'rtscts', 'xonxoff']),
  }),
  z.discriminatedUnion('kind', [
    /** `words` and console text (`data`) from the holder, for as long as both live. */
    z.object({ kind: z.literal('watch') }),
    /** `words` {ok} once it is open; then data and an end in both directions. */
    z.object({
      kind: z.literal('stream'),
      service: z.enum(lineServices),
      timeoutMs: z.number().min(0).max(86_400_000),
    }),
    /** `words` {ok} once it is open; then data from the guest. */
    z.object({ kind: z.literal('plain'), exclusive: z.boolean() }),
    /** `words` {ok, report}. */
    z.object({ kind: z.literal('control'), order: lineOrderSchema }),
  ]),
);
export type SharingRequest = z.infer<typeof requestSchema>;

export const answerSchema = z.object({ ok: z.literal(true), report: lineReportSchema.optional() });

export const eventSchema = z.discriminatedUnion('event', [
  /** The first one. */
  z.object({ event: z.literal('hello'), holder: z.number(), isUp: z.boolean() }),
  z.object({ event: z.literal('up') }),
  z.object({ event: z.literal('down'), reason: z.string() }),
  z.object({ event: z.literal('announced') }),
  z.object({ event: z.literal('waiting'), words: z.string() }),
  /** The last one: the holder has closed the port. */
  z.object({ event: z.literal('closed'), reason: z.string() }),
]);
export type SharingEvent = z.infer<typeof eventSchema>;

export const failureSchema = z.object({ message: z.string(), retry: z.boolean() });

export interface SharingRecord {
  type: RecordType;
  bytes: Buffer;
}

export function encodeRecord(type: RecordType, bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += MAX_RECORD) {
    const piece = bytes.subarray(from, from + MAX_RECORD);
    const header = Buffer.alloc(HEADER);
    header.writeUInt8(recordTypes[type]);
    header.writeUInt32BE(piece.length, 1);
    parts.push(header, piece);
  }
  return Buffer.concat(parts);
}

export function encodeWords(type: 'words' | 'fail', value: unknown): Buffer {
  return encodeRecord(type, Buffer.from(JSON.stringify(value)));
}

/** Takes records out of bytes that arrive in pieces. */
export class RecordParser {
  #held: Buffer = Buffer.alloc(0);

  /** Throws on what is no record. */
  push(chunk: Buffer): SharingRecord[] {
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const records: SharingRecord[] = [];
    let from = 0;
    while (all.length - from >= HEADER) {
      const type = typeOf(all.readUInt8(from));
      const length = all.readUInt32BE(from + 1);
      if (type === undefined || length > MAX_RECORD) throw new Error('what came is no record of a shared line');
      const end = from + HEADER + length;
      if (end > all.length) break;
      records.push({ type, bytes: all.subarray(from + HEADER, end) });
      from = end;
    }
    this.#held = Buffer.from(all.subarray(from));
    return records;
  }
}

function typeOf(code: number): RecordType | undefined {
  return (Object.keys(recordTypes) as RecordType[]).find((type) => recordTypes[type] === code);
}
