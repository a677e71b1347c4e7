import { DeltaError } from './errors.ts';
import { ByteReader, varint } from './varint.ts';
import { unzstd, zstdOf } from './zstd.ts';

/** Window: as large as a recipe may be, so that every place in an older one can be referred to. */
const WINDOW = 64 * 1024 * 1024;

/**
 * A serialised recipe (`encodeRecipe`), compressed. `base`: a serialised recipe that it is like, which is then needed to read it
 * again. `level`: zstd's, 19 by default.
 */
export async function compressRecipe(
  encoded: Buffer,
  { base, level = 19 }: { base?: Buffer; level?: number } = {},
): Promise<Buffer> {
  const frame = await zstdOf(encoded, { level, dictionary: base, maxWindow: WINDOW });
  return Buffer.concat([varint(encoded.length), frame]);
}

/** The serialised recipe again, which may have at most `maxBytes`. Throws a `DeltaError` if it has more, or is damaged. */
export async function decompressRecipe(
  compressed: Buffer,
  { base, maxBytes }: { base?: Buffer; maxBytes: number },
): Promise<Buffer> {
  const reader = new ByteReader(compressed, 'the recipe of the layer');
  const size = reader.varint();
  if (size > maxBytes) {
    throw new DeltaError('limit', `the recipe of the layer has ${size} bytes, and only ${maxBytes} are taken`);
  }
  return unzstd(reader.bytes(reader.left), { size, dictionary: base, what: 'the recipe of the layer' });
}
