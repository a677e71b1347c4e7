import type { RevisionList } from '../../src/shared/api/types.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import type { Digest } from '../../src/shared/oci/types.ts';

/** A revision with the number people know it by. The same content may come back under a later number (a rollback). */
export interface NumberedRevision {
  number: number;
  digest: Digest;
  revision: Revision;
}

/** An image that was rolled back because it failed. */
export interface Refusal {
  component: string;
  digest: Digest;
  /** RFC 3339, UTC. */
  at: string;
  reason: string;
}

/**
 * The revisions of this device. Everything is on the disk before a method resolves; a power cut at any instant leaves the
 * state of before or after it. One writer: the swap executor.
 */
export interface Revisions {
  /** The revision in force: what should run. */
  current(): NumberedRevision;
  /** What was in force before it. */
  previous(): NumberedRevision | undefined;
  list(): RevisionList;
  /** Undefined when there is no such revision. */
  get(number: number): NumberedRevision | undefined;
  /** Numbers that were in force at some time, ascending; the current one included. */
  committed(): number[];
  /** Keeps a revision without putting it in force; `reason` for people: "swap web". Resolves with its number. */
  append(revision: Revision, reason: string): Promise<NumberedRevision>;
  /** Puts it in force. Its images are no longer refused: they have just proved that they run. */
  commit(number: number): Promise<void>;
  /** Notes why it was not put in force, and with `refuse` that these images are not to be taken again. */
  fail(number: number, failure: string, refuse: { component: string; digest: Digest }[]): Promise<void>;
  /** Puts a former revision in force because the current one is not whole; `why` is kept with that one. */
  fallBack(number: number, why: string): Promise<void>;
  /** Removes the content of revisions; they stay in the list. Rejects for the factory, the current and the previous one. */
  collect(numbers: readonly number[]): Promise<void>;
  refusal(component: string, digest: Digest): Refusal | undefined;
}
