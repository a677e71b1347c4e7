import { ByteList } from './byte-list.ts';
import { DeltaError } from './errors.ts';
import type { ByteReader } from './varint.ts';

/** Shorter runs of zeros cost less as they are. */
const SHORTEST_RUN = 8;

/**
 * Bytes of which most are zero, as the headers of a tar are, in about a fifth of the room: again and again how many bytes follow
 * as they are, those, and how many zeros come after them.
 */
export function packZeros(bytes: Buffer): Buffer {
  // A list of pieces would take many times as much memory as they have.
  const packed = new ByteList();
  for (let at = 0; at < bytes.length; ) {
    let end = at;
    let next = at;
    for (; next < bytes.length; end = next) {
      while (next < bytes.length && bytes[next] !== 0) next++;
      end = next;
      while (next < bytes.length && bytes[next] === 0) next++;
      if (next - end >= SHORTEST_RUN) break;
    }
    packed.varint(end - at);
    packed.append(bytes.subarray(at, end));
    packed.varint(next - end);
    at = next;
  }
  return packed.bytes;
}

/** All that is left in `reader`, unpacked to exactly `size` bytes. Throws a `DeltaError` (invalid) if it has more or fewer. */
export function unpackZeros(reader: ByteReader, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (reader.left > 0) {
    const plain = reader.bytes(reader.varint());
    const end = at + plain.length + reader.varint();
    if (end > size) throw new DeltaError('invalid', 'the recipe of the layer is damaged: it is larger than it says');
    plain.copy(bytes, at);
    at = end;
  }
  if (at !== size) throw new DeltaError('invalid', 'the recipe of the layer is damaged: it is smaller than it says');
  return bytes;
}
