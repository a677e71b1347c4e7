import { z } from 'zod';

/**
 * What travels on a stream of the service `console` from host to device: records of type, length (16 bits) and bytes.
 * In the other direction: what the shell prints, as it is.
 */
export interface TerminalSize {
  columns: number;
  rows: number;
}

const terminalSize = z.object({ columns: z.int().min(1).max(1000), rows: z.int().min(1).max(1000) });
const types = { input: 0, size: 1 } as const;
const HEADER = 3;

/** What a person typed; any length. */
export function encodeInput(bytes: Buffer): Buffer {
  const records: Buffer[] = [];
  for (let from = 0; from < bytes.length; from += 0xffff) {
    records.push(record(types.input, bytes.subarray(from, from + 0xffff)));
  }
  return Buffer.concat(records);
}

/** The first record of a stream says the size; the shell starts then. Throws on a size no terminal has. */
export function encodeSize(size: TerminalSize): Buffer {
  const { columns, rows } = terminalSize.parse(size);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(columns, 0);
  bytes.writeUInt16BE(rows, 2);
  return record(types.size, bytes);
}

function record(type: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(type);
  header.writeUInt16BE(bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

export type ConsoleRecord = { type: 'input'; bytes: Buffer } | ({ type: 'size' } & TerminalSize);

/** Takes records out of bytes that arrive in pieces. */
export class ConsoleRecordParser {
  #held: Buffer = Buffer.alloc(0);

  /** Throws on a record that is none of ours. */
  push(chunk: Buffer): ConsoleRecord[] {
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const records: ConsoleRecord[] = [];
    let from = 0;
    while (all.length - from >= HEADER) {
      const end = from + HEADER + all.readUInt16BE(from + 1);
      if (end > all.length) break;
      records.push(parse(all.readUInt8(from), all.subarray(from + HEADER, end)));
      from = end;
    }
    this.#held = Buffer.from(all.subarray(from));
    return records;
  }
}

function parse(type: number, bytes: Buffer): ConsoleRecord {
  if (type === types.input) return { type: 'input', bytes };
  if (type === types.size && bytes.length === 4) {
    const size = terminalSize.parse({ columns: bytes.readUInt16BE(0), rows: bytes.readUInt16BE(2) });
    return { type: 'size', ...size };
  }
  throw new Error(`console record of unknown type ${type}`);
}
