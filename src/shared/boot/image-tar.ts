import { type ByteSource, bufferSource, joinedSource } from '../delta/byte-source.ts';
import type { Recipe, RecipeContent } from '../delta/recipe.ts';
import { BLOCK } from '../delta/tar-header.ts';
import type { Digest } from '../oci/types.ts';

/** A file of a composed image: kernel, initrd.img or root.img. */
export interface ImageFile {
  name: string;
  /** In bytes. */
  size: number;
  digest: Digest;
}

/**
 * How the tar of an image is made of its files. There is one tar for the same files: owner, times and modes are the same in all of
 * them, so that host and device know it without sending it.
 */
export function imageRecipe(files: readonly ImageFile[]): Recipe {
  const meta: Buffer[] = [];
  const contents: RecipeContent[] = [];
  let metaOffset = 0;
  let before = 0;
  const add = (bytes: Buffer) => {
    meta.push(bytes);
    metaOffset += bytes.length;
  };
  for (const { name, size, digest } of files) {
    add(header(name, size));
    contents.push({ path: name, size, sha256: digest, metaOffset, tarOffset: metaOffset + before });
    before += size;
    add(Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
  }
  add(Buffer.alloc(2 * BLOCK));
  return { meta: Buffer.concat(meta), contents, cut: 0 };
}

/** The bytes of that tar, read from the files where they are. `sources`: of the recipe's contents; closed with it. */
export function imageTar({ meta, contents }: Recipe, sources: readonly ByteSource[]): ByteSource {
  const pieces: ByteSource[] = [];
  let written = 0;
  for (const [index, { metaOffset }] of contents.entries()) {
    const source = sources[index];
    if (!source) throw new RangeError(`the tar has ${contents.length} files, and only ${index} are given`);
    pieces.push(bufferSource(meta.subarray(written, metaOffset)), source);
    written = metaOffset;
  }
  return joinedSource([...pieces, bufferSource(meta.subarray(written))]);
}

/** The largest number of eleven octal digits, above which the size is written in binary. */
const LARGEST_OCTAL = 8 ** 11 - 1;

function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, 'utf8');
  block.write('0000644\0', 100, 'latin1');
  block.write('0000000\0', 108, 'latin1');
  block.write('0000000\0', 116, 'latin1');
  if (size <= LARGEST_OCTAL) {
    block.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  } else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write('00000000000\0', 136, 'latin1');
  block.write('0', 156, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
