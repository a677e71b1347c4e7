import type { Revision } from '../../src/shared/definition/revision.ts';
import { messageOf } from '../store/errors.ts';
import type { ImageStore } from '../store/types.ts';
import type { Revisions } from './types.ts';

/**
 * Makes sure that everything the revision in force needs is whole on this device, by digest. If it is not, the newest
 * revision that was in force and is whole takes its place, at worst the factory one. Resolves with a sentence about it,
 * undefined when nothing was wrong. To be called before anything is started.
 */
export async function fallBackUnlessWhole(revisions: Revisions, images: ImageStore): Promise<string | undefined> {
  const factory = revisions.get(0)?.revision;
  const trusted = new Set(Object.values(factory?.components ?? {}).map(({ image }) => image.digest));
  const current = revisions.current();
  const flaw = await flawOf(current.revision, trusted, images);
  if (flaw === undefined) return undefined;
  const former = revisions
    .committed()
    .filter((number) => number !== current.number)
    .toReversed();
  for (const number of former) {
    const candidate = revisions.get(number);
    if (!candidate || (number !== 0 && (await flawOf(candidate.revision, trusted, images)) !== undefined)) continue;
    const what = number === 0 ? 'the factory revision' : `revision ${number}`;
    const why = `damaged on the disk: ${flaw}; ${what} took its place`;
    await revisions.fallBack(number, why);
    return `revision ${current.number} is ${why}`;
  }
  // The factory revision counts as committed and as whole: only when it is the current one itself does the loop find none.
  return undefined;
}

/** What a revision lacks; undefined when it is whole. The images of the root image are trusted as it is. */
async function flawOf(
  revision: Revision,
  trusted: ReadonlySet<string>,
  images: ImageStore,
): Promise<string | undefined> {
  for (const [name, { image }] of Object.entries(revision.components)) {
    if (trusted.has(image.digest)) continue;
    try {
      await images.get(image.digest);
    } catch (error) {
      return `${name} (${image.ref}): ${messageOf(error)}`;
    }
  }
  return undefined;
}
