import { type ByteReader, type ByteWriter, MalformedError } from './bytes.ts';
import type { Range } from './ranges.ts';

/** Ranges in one acknowledgement at most. */
const MAX_ACK_RANGES = 24;

/** From the highest range down: its last number, how many numbers precede it, then gap and length of each lower one. */
export function encodeAck(writer: ByteWriter, ranges: readonly Range[]): void {
  const descending = ranges.slice(-MAX_ACK_RANGES).reverse();
  const [first] = descending;
  if (!first) throw new RangeError('an acknowledgement needs a range');
  writer
    .varint(descending.length)
    .varint(first.end - 1)
    .varint(first.end - first.start - 1);
  let floor = first.start;
  for (const range of descending.slice(1)) {
    writer.varint(floor - range.end - 1).varint(range.end - range.start - 1);
    floor = range.start;
  }
}

/** Throws `MalformedError`. */
export function decodeAck(reader: ByteReader): Range[] {
  const count = reader.varint();
  if (count < 1 || count > MAX_ACK_RANGES) throw new MalformedError(`acknowledgement of ${count} ranges`);
  const ranges: Range[] = [];
  let end = reader.varint() + 1;
  let start = end - 1 - reader.varint();
  for (;;) {
    if (start < 0) throw new MalformedError('acknowledgement below zero');
    ranges.unshift({ start, end });
    if (ranges.length === count) return ranges;
    end = start - 1 - reader.varint();
    start = end - 1 - reader.varint();
  }
}
