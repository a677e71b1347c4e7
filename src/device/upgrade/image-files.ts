import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { UpgradeImage } from '../../shared/api/types.ts';
import { imageRecipe, imageTar } from '../../shared/boot/image-tar.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { openFile } from '../../shared/delta/byte-source.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { DifferenceTarget } from '../transfer/make-difference.ts';
import type { Blob } from '../transfer/verified.ts';

/** The tar of an image, read from its folder, to be made from these contents. */
export function targetOf(dir: string, image: UpgradeImage, bases: readonly Digest[]): DifferenceTarget {
  const recipe = imageRecipe(image.files);
  // One name for both: other bases make another difference.
  const diffId = digestOf(canonicalJson({ files: image.files, bases }));
  const open = async () => {
    const sources = await Promise.all(image.files.map(({ name }) => openFile(join(dir, name))));
    return imageTar(recipe, sources);
  };
  return { diffId, recipe, open };
}

/** The files, one after the other, as one blob. */
export async function wholeOf(dir: string, image: UpgradeImage): Promise<Blob> {
  const files = () => filesOf(dir, image);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of files()) {
    hash.update(chunk);
    size += chunk.length;
  }
  return {
    mediaType: 'application/octet-stream',
    digest: `sha256:${hash.digest('hex')}`,
    size,
    open: async () => Readable.from(files(), { objectMode: false }),
  };
}

async function* filesOf(dir: string, image: UpgradeImage): AsyncGenerator<Buffer> {
  for (const { name } of image.files) yield* createReadStream(join(dir, name)) as AsyncIterable<Buffer>;
}
