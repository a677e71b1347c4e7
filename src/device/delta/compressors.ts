import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import { STREAM_WINDOW_LOG, type Stream } from '../../shared/delta/format.ts';
import { zstdOf } from '../../shared/delta/zstd.ts';

/**
 * How much work goes into making a difference small. `thorough` for a line on which a second is worth more than the processor's;
 * `fast` for one where the difference would arrive before it were made.
 */
export type Effort = 'fast' | 'thorough';

/** Bytes a second. A second of work that `thorough` takes more saves 20 to 75 KB, measured on packages of Debian and on Node. */
const THOROUGH_BELOW = 100_000;

export function effortFor(bytesPerSecond: number): Effort {
  return bytesPerSecond < THOROUGH_BELOW ? 'thorough' : 'fast';
}

/** zstd's: large dictionaries are nearly unused below 9. */
export const zstdLevels: Record<Effort, number> = { fast: 9, thorough: 19 };
/** Brotli's best makes less than a MB a second, and on longer streams costs more seconds than its few per cent save on any line. */
const BROTLI_MOST = 8 * 1024 * 1024;

const brotli = promisify(brotliCompress);

/** A stream of an operation and its bytes. */
export interface Packed {
  stream: Stream;
  bytes: Buffer;
}

/** Compresses in the way that is smallest, as far as the effort goes. */
export async function pack(content: Buffer, effort: Effort): Promise<Packed> {
  const size = content.length;
  if (size === 0) return { stream: { codec: 'zstd', size, length: 0 }, bytes: content };
  const tries: Promise<Buffer>[] = [
    zstdOf(content, { level: zstdLevels[effort], maxWindow: 2 ** STREAM_WINDOW_LOG.zstd }),
  ];
  if (effort === 'thorough' && size <= BROTLI_MOST) tries.push(smallestBrotli(content));
  const [zstd, other] = await Promise.all(tries);
  if (zstd && !(other && other.length < zstd.length))
    return { stream: { codec: 'zstd', size, length: zstd.length }, bytes: zstd };
  const bytes = other ?? Buffer.alloc(0);
  return { stream: { codec: 'brotli', size, length: bytes.length }, bytes };
}

function smallestBrotli(content: Buffer): Promise<Buffer> {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = constants;
  return brotli(content, {
    params: {
      [BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [BROTLI_PARAM_LGWIN]: STREAM_WINDOW_LOG.brotli,
      [BROTLI_PARAM_SIZE_HINT]: content.length,
    },
  });
}
