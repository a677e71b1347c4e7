import { BLOCK_BYTES, DICTIONARY_BYTES } from '../../shared/delta/format.ts';
import type { RecipeContent } from '../../shared/delta/recipe.ts';
import type { Candidate } from './choose-base.ts';

/** A content that has to travel. */
export interface Missing {
  /** In the recipe. */
  place: number;
  content: RecipeContent;
  base?: Candidate;
  /** Compiled code and its like: bytes that are no text near its beginning. */
  isBinary: boolean;
}

/** Contents of at least so many bytes travel once, even if they occur in several places. */
const WORTH_REPEATING = 64 * 1024;
/** Larger ones gain nothing from company. */
const SMALL = 1024 * 1024;
/** Without any base there is no dictionary that would have to fit into the device's memory; the host holds so much. */
const MOST_WITHOUT_BASE = 64 * 1024 * 1024;

/**
 * Divides what is missing into the contents that one operation makes. Small ones travel together, compressed as one, because each
 * alone costs more than what changed in it; a binary one with a base does not, because it has a better method.
 */
export function groupMissing(missing: readonly Missing[]): Missing[][] {
  const counts = new Map<string, number>();
  for (const { content } of missing) counts.set(content.sha256, (counts.get(content.sha256) ?? 0) + 1);
  const isAlone = ({ content, base, isBinary }: Missing): boolean =>
    content.size >= SMALL ||
    (isBinary && base !== undefined) ||
    (content.size >= WORTH_REPEATING && (counts.get(content.sha256) ?? 0) > 1);
  const groups: Missing[][] = [];
  let open: { group: Missing[]; sizes: Sizes } | undefined;
  for (const one of missing) {
    const sizes = {
      fresh: (open?.sizes.fresh ?? 0) + one.content.size,
      old: (open?.sizes.old ?? 0) + (one.base?.size ?? 0),
    };
    if (open && !isAlone(one) && fits(sizes)) {
      open.group.push(one);
      open.sizes = sizes;
      continue;
    }
    open = { group: [one], sizes: { fresh: one.content.size, old: one.base?.size ?? 0 } };
    groups.push(open.group);
    if (isAlone(one)) open = undefined;
  }
  return groups;
}

/** Of the contents of a group together, and of their bases. In bytes. */
interface Sizes {
  fresh: number;
  old: number;
}

function fits({ fresh, old }: Sizes): boolean {
  return old === 0 ? fresh <= MOST_WITHOUT_BASE : fresh <= BLOCK_BYTES && old <= DICTIONARY_BYTES;
}
