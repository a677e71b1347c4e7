import { dirname, join } from 'node:path';
import type { RevisionList, RevisionSummary } from '../../src/shared/api/types.ts';
import { type ComponentSpec, type Revision, revisionDigest } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { ensureFolder, setAside } from '../store/durable.ts';
import { messageOf } from '../store/errors.ts';
import { Mutex } from '../supervisor/mutex.ts';
import { describeChanges } from './changes.ts';
import { Contents, readFactory } from './contents.ts';
import { appendLog, type LogRecord, readLog } from './log.ts';
import { type Pointers, readPointers, writePointers } from './pointers.ts';
import { applies, refusedByLog, withoutProven, withRefused } from './refusals.ts';
import type { NumberedRevision, Refusal, Refused, Revisions } from './types.ts';

export interface RevisionsOptions {
  /** Of the root image that runs: revisions build on what is in it, and another one has its own. */
  imageId: string;
  /** `devicePaths`, or folders of a test. */
  paths?: { factoryRevision: string; data: string };
  /** For the device's log. */
  log: (message: string) => void;
}

interface Entry extends NumberedRevision {
  createdAt: string;
  reason: string;
  base?: number;
  changes: RevisionSummary['changes'];
  committed: boolean;
  failure?: string;
  interrupted?: boolean;
}

/** A revision whose content was removed: what its line in the list still says. */
type Collected = Omit<Entry, 'revision'>;

/** Where the revisions of an image are, and the journal of its newest swap: a device that goes back to it finds them again. */
export function revisionsFolder(imageId: string, data: string = devicePaths.data): string {
  return join(data, 'revisions', imageId);
}

/**
 * Loads the device's revisions. Damaged files are set aside, never deleted, and reported; what should run is then the
 * newest whole revision that was in force, at worst the factory one. Rejects only when the factory revision, which is part
 * of the image, cannot be read, or the data folder cannot be written to.
 */
export async function openRevisions(options: RevisionsOptions): Promise<Revisions> {
  const paths = options.paths ?? devicePaths;
  const factory = await readFactory(paths.factoryRevision);
  const folder = revisionsFolder(options.imageId, paths.data);
  await ensureFolder(paths.data);
  await ensureFolder(dirname(folder));
  await ensureFolder(folder);
  let pointers = await readPointers(join(folder, 'pointers.json'), options.log);
  let records = await readLog(join(folder, 'log.ndjson'), options.log);
  const first = records.find((record) => record.type === 'made' && record.number === 0);
  const known = [pointers?.factory, first?.type === 'made' ? first.digest : undefined].filter(
    (digest) => digest !== undefined,
  );
  // Both say so, or one of them is damaged.
  if (known.length > 0 && !known.includes(factory.digest)) {
    options.log(`these revisions build on another factory revision; kept as ${await setAside(folder, 'former')}`);
    await ensureFolder(folder);
    [pointers, records] = [undefined, []];
  }
  const revisions = new StoredRevisions(folder, factory, options.log);
  await revisions.load(pointers, records);
  return revisions;
}

class StoredRevisions implements Revisions {
  readonly #folder: string;
  readonly #factory: NumberedRevision;
  readonly #log: (message: string) => void;
  readonly #contents: Contents;
  /** The files have one writer: a collection may be under way when a swap begins. */
  readonly #writing = new Mutex();
  readonly #entries = new Map<number, Entry>();
  readonly #collected = new Map<number, Collected>();
  /** Numbers of those in the log. */
  readonly #gone = new Set<number>();
  /** Were in force, and the log has no line about it. */
  readonly #unnoted = new Set<number>();
  /** Above every number in the log, also of revisions whose files are lost. */
  #nextNumber = 1;
  #pointers: Pointers;

  constructor(folder: string, factory: NumberedRevision, log: (message: string) => void) {
    this.#folder = folder;
    this.#factory = factory;
    this.#log = log;
    this.#contents = new Contents(folder, factory, log);
    this.#pointers = { factory: factory.digest, current: 0, refused: [] };
  }

  async load(pointers: Pointers | undefined, records: LogRecord[]): Promise<void> {
    if (!records.some((record) => record.type === 'made' && record.number === 0)) {
      const record = { type: 'made', number: 0, digest: this.#factory.digest, at: now(), reason: 'factory' } as const;
      await this.#record(record);
      records = [record, ...records];
    }
    for (const record of records) if (record.type === 'collected') this.#gone.add(record.number);
    for (const record of records) await this.#replay(record);
    const collected = [...this.#collected.values()].map(({ digest }) => digest);
    await this.#contents.tidy(collected.filter((digest) => !this.#isContent(digest)));
    if (pointers) this.#pointers = pointers;
    else this.#pointers.refused = refusedByLog(records, (number) => this.get(number)?.revision);
    const wanted = pointers?.current ?? this.#newestCommitted();
    const current = this.#entries.has(wanted) ? wanted : this.#newestCommitted();
    // The line that says so is written after the pointer; a power cut may have come between.
    for (const number of [this.#pointers.previous, current]) {
      const entry = number === undefined ? undefined : this.#entries.get(number);
      if (!entry || entry.committed) continue;
      entry.committed = true;
      this.#unnoted.add(entry.number);
    }
    if (current === pointers?.current) return;
    if (pointers) this.#log(`revision ${wanted} is lost or damaged: revision ${current} is in force instead`);
    else if (records.length > 1) this.#log(`revision ${current} is in force: the newest that is whole`);
    const found = { ...this.#pointers, current, previous: undefined };
    await this.#writePointers(found).catch((error: unknown) => {
      // On a full disk the device comes up all the same, as it does at each start until there is room.
      this.#log(`the note of the revision in force cannot be written: ${messageOf(error)}`);
      this.#pointers = found;
    });
  }

  current(): NumberedRevision {
    return numbered(this.#entries.get(this.#pointers.current) ?? this.#factory);
  }

  previous(): NumberedRevision | undefined {
    const { previous } = this.#pointers;
    return previous === undefined ? undefined : this.get(previous);
  }

  get(number: number): NumberedRevision | undefined {
    const entry = this.#entries.get(number);
    return entry && numbered(entry);
  }

  committed(): number[] {
    return [...this.#entries.values()].filter((entry) => entry.committed).map((entry) => entry.number);
  }

  list(): RevisionList {
    const whole = [...this.#entries.values()].map((entry) => this.#summary(entry, this.#stateOf(entry)));
    const collected = [...this.#collected.values()].map((entry) => this.#summary(entry, 'collected'));
    const revisions = [...whole, ...collected].toSorted((a, b) => b.number - a.number);
    const { current } = this.#pointers;
    return { current, previous: this.previous()?.number, revisions };
  }

  append(revision: Revision, reason: string): Promise<NumberedRevision> {
    return this.#writing.run(async () => {
      const digest = revisionDigest(revision);
      const number = this.#nextNumber;
      const base = this.current();
      const changes = describeChanges(base.revision, revision);
      await this.#contents.keep(digest, revision);
      const at = now();
      await this.#record({ type: 'made', number, digest, at, reason, base: base.number, changes });
      this.#nextNumber = number + 1;
      const entry = { number, digest, revision, createdAt: at, reason, base: base.number, changes, committed: false };
      this.#entries.set(number, entry);
      return { number, digest, revision };
    });
  }

  commit(number: number): Promise<void> {
    return this.#writing.run(async () => {
      const entry = this.#entries.get(number);
      if (!entry) throw new Error(`there is no revision ${number} to put in force`);
      const { current } = this.#pointers;
      if (number === current) return;
      const refused = withoutProven(this.#pointers.refused, entry.revision);
      await this.#writePointers({ ...this.#pointers, current: number, previous: current, refused });
      entry.committed = true;
      this.#unnoted.add(number);
      await this.#noteCommitted();
    });
  }

  fail(number: number, why: { failure: string; interrupted: boolean; refuse: Refused[] }): Promise<void> {
    return this.#writing.run(async () => {
      const { failure, interrupted, refuse } = why;
      const entry = this.#entries.get(number);
      if (!entry || entry.failure !== undefined) return;
      const at = now();
      if (refuse.length > 0) {
        const refused = withRefused(this.#pointers.refused, refuse, failure, at);
        await this.#writePointers({ ...this.#pointers, refused });
      }
      await this.#record({ type: 'failed', number, at, failure, refuse, interrupted });
      Object.assign(entry, { failure, interrupted });
    });
  }

  trying(): number[] {
    return [...this.#entries.values()]
      .filter((entry) => !entry.committed && entry.failure === undefined)
      .map((entry) => entry.number);
  }

  refusal(component: string, spec: ComponentSpec): Refusal | undefined {
    return this.#pointers.refused.find((known) => known.component === component && applies(known, spec));
  }

  fallBack(number: number, why: string): Promise<void> {
    return this.#writing.run(async () => {
      const { current } = this.#pointers;
      if (!this.#entries.has(number)) throw new Error(`there is no revision ${number} to fall back to`);
      // Told first: a line too many does no harm, and a power cut before the pointer only makes the next start do this again.
      await this.#record({ type: 'failed', number: current, at: now(), failure: why });
      const entry = this.#entries.get(current);
      if (entry) entry.failure = why;
      await this.#writePointers({ ...this.#pointers, current: number, previous: undefined });
    });
  }

  async collect(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) await this.#writing.run(() => this.#collect(number));
  }

  async #collect(number: number): Promise<void> {
    const entry = this.#entries.get(number);
    if (!entry || this.#isKept(entry)) throw new Error(`revision ${number} is needed, or there is none`);
    await this.#record({ type: 'collected', number, at: now() });
    this.#entries.delete(number);
    const { revision: _content, ...rest } = entry;
    this.#collected.set(number, rest);
    if (!this.#isContent(entry.digest)) await this.#contents.remove(entry.digest);
  }

  /** The pointer is what counts. These lines only tell later which revisions were in force. */
  async #noteCommitted(): Promise<void> {
    for (const number of this.#unnoted) {
      try {
        await this.#record({ type: 'committed', number, at: now() });
        this.#unnoted.delete(number);
      } catch (error) {
        this.#log(`revision ${number} is in force, but the log of revisions cannot be written: ${messageOf(error)}`);
      }
    }
  }

  /** Whether a revision has this content. */
  #isContent(digest: Digest): boolean {
    return [...this.#entries.values()].some((entry) => entry.digest === digest);
  }

  /** What a device must always be able to go back to. */
  #isKept({ number }: Entry): boolean {
    return number === 0 || number === this.#pointers.current || number === this.#pointers.previous;
  }

  async #replay(record: LogRecord): Promise<void> {
    this.#nextNumber = Math.max(this.#nextNumber, record.number + 1);
    const entry = this.#entries.get(record.number) ?? this.#collected.get(record.number);
    if (record.type === 'made') {
      const { number, digest, at: createdAt, reason, base, changes = [] } = record;
      const known = { number, digest, createdAt, reason, base, changes, committed: number === 0 };
      if (this.#gone.has(number)) {
        this.#collected.set(number, known);
        return;
      }
      const revision = await this.#contents.read(record.digest);
      if (revision) this.#entries.set(number, { ...known, revision });
    } else if (entry && record.type === 'committed') entry.committed = true;
    else if (entry && record.type === 'failed')
      Object.assign(entry, { failure: record.failure, interrupted: record.interrupted });
  }

  #newestCommitted(): number {
    return Math.max(0, ...this.committed());
  }

  #summary(entry: Collected, state: RevisionSummary['state']): RevisionSummary {
    const { number, digest, createdAt, reason, changes, failure } = entry;
    return { number, digest, createdAt, state, factory: number === 0, reason, changes, failure };
  }

  #stateOf(entry: Entry): RevisionSummary['state'] {
    if (entry.number === this.#pointers.current) return 'current';
    if (entry.number === this.#pointers.previous) return 'previous';
    const specs = Object.entries(entry.revision.components);
    if (specs.some(([name, spec]) => this.refusal(name, spec))) return 'refused';
    if (entry.committed) return 'available';
    if (entry.failure === undefined) return 'trying';
    return entry.interrupted ? 'interrupted' : 'failed';
  }

  async #record(record: LogRecord): Promise<void> {
    await appendLog(join(this.#folder, 'log.ndjson'), record);
  }

  async #writePointers(pointers: Pointers): Promise<void> {
    const path = join(this.#folder, 'pointers.json');
    try {
      await writePointers(path, pointers);
    } catch (error) {
      // It may have failed after the file was replaced: what is said to have failed must not be in force at the next boot.
      await writePointers(path, this.#pointers).catch((again: unknown) => {
        this.#log(`cannot take back the note of the revision in force: ${messageOf(again)}`);
      });
      throw error;
    }
    this.#pointers = pointers;
  }
}

const numbered = ({ number, digest, revision }: NumberedRevision) => ({ number, digest, revision });
const now = () => new Date().toISOString();
