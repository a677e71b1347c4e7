import type { RevisionList } from '../../src/shared/api/types.ts';
import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import type { Digest } from '../../src/shared/oci/types.ts';

/** A revision with the number people know it by. The same content may come back under a later number (a rollback). */
export interface NumberedRevision {
  number: number;
  digest: Digest;
  revision: Revision;
}

/** What is refused: an image, or with `spec` (see `specKey`) an image with one configuration. */
export interface Refused {
  component: string;
  digest: Digest;
  spec?: Digest;
}

/** Something that was rolled back because it failed. */
export interface Refusal extends Refused {
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
  /** Puts it in force. What it is made of is no longer refused: it has just proved that it runs. */
  commit(number: number): Promise<void>;
  /** Notes why it was not put in force, and what is not to be taken again. */
  fail(number: number, why: { failure: string; interrupted: boolean; refuse: Refused[] }): Promise<void>;
  /** Numbers of those that are neither in force nor failed: a swap to them is under way, or was cut short. */
  trying(): number[];
  /** Why this is refused for a component; undefined when it is not. */
  refusal(component: string, spec: ComponentSpec): Refusal | undefined;
  /** Puts a former revision in force because the current one is not whole; `why` is kept with that one. */
  fallBack(number: number, why: string): Promise<void>;
  /** Removes the content of revisions; they stay in the list. Rejects for the factory, the current and the previous one. */
  collect(numbers: readonly number[]): Promise<void>;
}
