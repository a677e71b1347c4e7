import type { RecipeContent } from '../../shared/delta/recipe.ts';
import type { Digest } from '../../shared/oci/types.ts';

/** A content that both the device and the host have. */
export interface Candidate {
  sha256: Digest;
  path: string;
  size: number;
  /** Its place in the base recipe, if it is there. */
  place?: number;
}

/**
 * Finds what an older version of a content is called: the same path, the same but for numbers (`libssl.so.3.0.1`,
 * `modules/6.1.0-25/…`), the same base name, the same base name but for numbers. Of several the one whose size is nearest, then the
 * one that was named first.
 */
export class BaseChooser {
  readonly #groups = new Map<string, Candidate[]>();

  constructor(candidates: Iterable<Candidate>) {
    for (const candidate of candidates) {
      for (const key of keysOf(candidate.path)) {
        const group = this.#groups.get(key);
        if (group) group.push(candidate);
        else this.#groups.set(key, [candidate]);
      }
    }
  }

  choose({ path, size }: Pick<RecipeContent, 'path' | 'size'>): Candidate | undefined {
    for (const key of keysOf(path)) {
      const group = this.#groups.get(key);
      if (group) return group.reduce((best, one) => (distance(one, size) < distance(best, size) ? one : best));
    }
    return undefined;
  }
}

function distance(candidate: Candidate, size: number): number {
  return Math.abs(candidate.size - size);
}

/** From the narrowest to the widest. */
function keysOf(path: string): string[] {
  const clean = path.replace(/^(\.?\/)+/, '');
  const name = clean.slice(clean.lastIndexOf('/') + 1);
  return [`path ${clean}`, `like ${withoutNumbers(clean)}`, `name ${name}`, `like name ${withoutNumbers(name)}`];
}

/** Versions, and the hashes that bundlers put into names. */
function withoutNumbers(text: string): string {
  return text.replace(/[0-9a-f]{8,}/g, '#').replace(/[0-9]+/g, '#');
}
