import { z } from 'zod';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { digestSchema } from '../../src/shared/definition/revision.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { readIfThere, setAside, writeFileDurably } from '../store/durable.ts';
import { messageOf } from '../store/errors.ts';

/** What is in force and what is refused: one small file, replaced in one step. */
const pointersSchema = z.strictObject({
  /** Digest of the factory revision of the image that these revisions belong to. */
  factory: digestSchema,
  current: z.number().int().nonnegative(),
  previous: z.number().int().nonnegative().optional(),
  refused: z.array(
    z.strictObject({
      component: z.string(),
      digest: digestSchema,
      /** Only with this configuration (as `specKey`): the image itself has worked. */
      spec: digestSchema.optional(),
      at: z.string(),
      reason: z.string(),
    }),
  ),
});
export type Pointers = z.infer<typeof pointersSchema>;

/** One flipped bit could put another revision in force: the digest of the pointers stands beside them. */
const fileSchema = z.strictObject({ schema: z.literal(1), digest: digestSchema, pointers: pointersSchema });

/** Undefined when there is no such file, or a damaged one, which is then set aside and reported. */
export async function readPointers(path: string, report: (message: string) => void): Promise<Pointers | undefined> {
  try {
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    const { digest, pointers } = fileSchema.parse(JSON.parse(text));
    if (digest !== digestOf(canonicalJson(pointers))) throw new Error('its digest is wrong');
    return pointers;
  } catch (error) {
    const words = `the note of the revision in force is damaged (${messageOf(error)})`;
    // A disk without room takes no new folder either, and the device comes up all the same.
    const kept = await setAside(path).catch(
      (problem: unknown) => `it is, which cannot be mended now: ${messageOf(problem)}`,
    );
    report(`${words}; kept as ${kept}`);
    return undefined;
  }
}

export async function writePointers(path: string, pointers: Pointers): Promise<void> {
  await writeFileDurably(path, canonicalJson({ schema: 1, digest: digestOf(canonicalJson(pointers)), pointers }));
}
