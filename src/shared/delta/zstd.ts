import { promisify } from 'node:util';
import { constants, createZstdDecompress, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { DeltaError } from './errors.ts';

const MIB = 1024 * 1024;
/** A window's limits in zstd's own unit: 1 KiB and 64 MiB. */
const [LEAST_WINDOW, LARGEST_WINDOW] = [10, 26];

export interface ZstdOptions {
  /** 1–22. Large dictionaries are nearly unused below 9. */
  level: number;
  /** Any bytes that the content is like. */
  dictionary?: Uint8Array;
  /** No larger window, bytes; reaching further back costs whoever decompresses so much memory. */
  maxWindow?: number;
}

const compress = promisify(zstdCompress);

/** One frame that says how large its content is. A dictionary is reached from everywhere in it as long as the window covers the content. */
export async function zstdOf(content: Uint8Array, { level, dictionary, maxWindow }: ZstdOptions): Promise<Buffer> {
  const covering = Math.ceil(Math.log2(Math.max(content.length, 1)));
  const largest = Math.min(LARGEST_WINDOW, Math.floor(Math.log2(maxWindow ?? 8 * MIB)));
  const windowLog = Math.min(Math.max(covering, LEAST_WINDOW), largest);
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: windowLog };
  return compress(content, { dictionary, params, pledgedSrcSize: content.length });
}

/**
 * The content of one frame, which must have exactly `size` bytes. Throws a `DeltaError` (invalid) for anything else, naming `what`;
 * never holds more than `size` bytes and a chunk of it.
 */
export async function unzstd(
  frame: Uint8Array,
  { size, dictionary, what }: { size: number; dictionary?: Uint8Array; what: string },
): Promise<Buffer> {
  const windowLogMax = Math.min(LARGEST_WINDOW, Math.max(LEAST_WINDOW, Math.ceil(Math.log2(Math.max(size, 1))) + 1));
  const stream = createZstdDecompress({ dictionary, params: { [constants.ZSTD_d_windowLogMax]: windowLogMax } });
  stream.end(frame);
  const content = Buffer.allocUnsafe(size);
  let filled = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (filled + chunk.length > size)
        throw new DeltaError('invalid', `${what} is damaged: it is larger than it says`);
      filled += chunk.copy(content, filled);
    }
  } catch (error) {
    if (error instanceof DeltaError) throw error;
    throw new DeltaError('invalid', `${what} is damaged: it cannot be decompressed`, error);
  }
  if (filled < size) throw new DeltaError('invalid', `${what} is damaged: it is smaller than it says`);
  if (stream.bytesWritten !== frame.length)
    throw new DeltaError('invalid', `${what} is damaged: there is more behind it`);
  return content;
}

/** What `heedsDictionaries` asks; Node's own unless a test has another. */
export interface DictionaryCodec {
  compress(content: Buffer, dictionary: Buffer): Buffer;
  decompress(frame: Buffer, dictionary: Buffer): Buffer;
}

const nodesOwn: DictionaryCodec = {
  compress: (content, dictionary) => zstdCompressSync(content, { dictionary }),
  decompress: (frame, dictionary) => zstdDecompressSync(frame, { dictionary }),
};

/**
 * Whether this Node uses dictionaries. Those before 22.19 and 24.6 take the option and ignore it: what they compress is larger than
 * it could be, what they decompress is wrong; older ones have no zstd.
 */
export function heedsDictionaries(codec = nodesOwn): boolean {
  // Nothing in it occurs twice, so that only the dictionary can make it small.
  const sample = Buffer.from(Array.from({ length: 512 }, (_, i) => (i * i * 7 + (i >> 3) * 131 + i * 29) % 251));
  try {
    const frame = codec.compress(sample, sample);
    return frame.length < 64 && codec.decompress(frame, sample).equals(sample);
  } catch {
    return false;
  }
}
