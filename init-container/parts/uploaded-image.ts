import { createReadStream } from 'node:fs';
import type { UpgradeImage } from '../../src/shared/api/types.ts';
import { imageRecipe } from '../../src/shared/boot/image-tar.ts';
import { deltaMediaType } from '../../src/shared/delta/format.ts';
import { tarSize } from '../../src/shared/delta/recipe.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { rebuildTar, unusable } from '../store/difference.ts';
import { StoreError } from '../store/errors.ts';
import type { ImageContents } from './image-contents.ts';
import { Chunks } from './write-image.ts';

/** The files of an image, one after the other, out of a blob that was uploaded. */
export async function* filesOfUpload(
  image: UpgradeImage,
  { file, digest, mediaType }: { file: string; digest: Digest; mediaType: string },
  contents: ImageContents | undefined,
): AsyncGenerator<Uint8Array> {
  if (mediaType !== deltaMediaType) {
    yield* createReadStream(file, { highWaterMark: 256 << 10 });
    return;
  }
  if (!contents) throw unusable('it has no images that it could build on');
  const maxBytes = tarSize(imageRecipe(image.files));
  yield* filesInTar(image, rebuildTar({ file, digest }, { contents: await contents.open(), maxBytes }));
}

/** The files, one after the other, in the tar that a difference made of them. What comes after the last one is not asked for. */
export async function* filesInTar(image: UpgradeImage, tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { meta, contents } = imageRecipe(image.files);
  const chunks = new Chunks(tar);
  const expectMeta = async (from: number, to: number) => {
    for (let at = from; at < to; ) {
      const part = await chunks.next(to - at);
      if (!part || !meta.subarray(at, at + part.length).equals(part)) throw otherTar();
      at += part.length;
    }
  };
  let written = 0;
  try {
    for (const { metaOffset, size } of contents) {
      await expectMeta(written, metaOffset);
      written = metaOffset;
      for (let left = size; left > 0; ) {
        const part = await chunks.next(left);
        if (!part) throw otherTar();
        left -= part.length;
        yield part;
      }
    }
  } finally {
    await chunks.close();
  }
}

function otherTar(): StoreError {
  return new StoreError('invalid', 'the difference makes another tar than that of the image; nothing was changed');
}
