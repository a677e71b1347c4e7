import { z } from 'zod';
import { digestSchema } from '../../src/shared/definition/revision.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { readIfThere, setAside, writeFileDurably } from './durable.ts';
import { messageOf } from './errors.ts';

const fileSchema = z.strictObject({
  schema: z.literal(1),
  images: z.array(
    z.strictObject({
      digest: digestSchema,
      /** RFC 3339: when it was first announced. */
      at: z.string(),
      /** Newest first. */
      refs: z.array(z.string()),
    }),
  ),
});
type KnownImage = z.infer<typeof fileSchema>['images'][number];

/** The images that were announced to this device and what people call them, in one file. */
export class References {
  readonly #path: string;
  #images: KnownImage[];

  constructor(path: string, images: KnownImage[]) {
    this.#path = path;
    this.#images = images;
  }

  /** Undefined when the file was damaged; it was then set aside, and `reported`. */
  static async load(path: string, report: (message: string) => void): Promise<References | undefined> {
    try {
      const text = await readIfThere(path);
      if (text === undefined) return new References(path, []);
      return new References(path, fileSchema.parse(JSON.parse(text)).images);
    } catch (error) {
      report(`the list of images is damaged (${messageOf(error)}); kept as ${await setAside(path)}`);
      return undefined;
    }
  }

  get images(): readonly KnownImage[] {
    return this.#images;
  }

  /** Notes that `ref` now means `digest` and nothing else, durably. */
  async add(digest: Digest, ref: string | undefined): Promise<void> {
    const images = this.#images.map((image) => ({ ...image, refs: image.refs.filter((known) => known !== ref) }));
    let image = images.find((known) => known.digest === digest);
    if (!image) {
      image = { digest, at: new Date().toISOString(), refs: [] };
      images.unshift(image);
    }
    if (ref !== undefined) image.refs.unshift(ref);
    await this.#write(images);
  }

  async remove(digest: Digest): Promise<void> {
    await this.#write(this.#images.filter((image) => image.digest !== digest));
  }

  async untag(ref: string): Promise<void> {
    await this.#write(this.#images.map((image) => ({ ...image, refs: image.refs.filter((known) => known !== ref) })));
  }

  async #write(images: KnownImage[]): Promise<void> {
    await writeFileDurably(this.#path, JSON.stringify({ schema: 1, images }));
    this.#images = images;
  }
}
