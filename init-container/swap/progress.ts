import type { SwapEvent } from '../../src/shared/api/types.ts';
import { messageOf } from '../store/errors.ts';
import type { SwapEvents } from './event-log.ts';
import type { SwapJournal, SwapRecord } from './journal.ts';

/** What comes next could not be noted on the disk: no fault of what was being swapped in. */
export class JournalError extends Error {
  constructor(cause: unknown) {
    super(`the journal of the swap cannot be written: ${messageOf(cause)}`, { cause });
    this.name = 'JournalError';
  }
}

/** How far a swap has come: on the disk first, then for those who follow it. */
export class SwapProgress {
  record: SwapRecord;
  readonly #journal: SwapJournal;
  readonly #events: SwapEvents;
  readonly #log: (message: string) => void;

  constructor(record: SwapRecord, journal: SwapJournal, events: SwapEvents, log: (message: string) => void) {
    this.record = record;
    this.#journal = journal;
    this.#events = events;
    this.#log = log;
  }

  /** The names of what is swapped. */
  get subject(): string {
    return this.record.components.map(({ name }) => name).join(', ');
  }

  /** Changes what is known; it is on the disk with the next event, or with `save`. */
  note(change: Partial<SwapRecord>): void {
    this.record = { ...this.record, ...change };
  }

  async save(): Promise<void> {
    await this.#journal.write(this.record).catch((error: unknown) => {
      throw new JournalError(error);
    });
  }

  /** Notes on the disk what comes next, then tells those who follow. Rejects with a `JournalError`. */
  async announce(stage: SwapEvent['stage'], message: string, more: Partial<SwapEvent> = {}): Promise<void> {
    const event: SwapEvent = { stage, component: this.subject, at: new Date().toISOString(), message, ...more };
    this.note({ phase: stage, events: [...this.record.events, event] });
    try {
      await this.save();
    } finally {
      this.#log(`swap of ${event.component}: ${stage}: ${message}`);
      this.#events.publish(event);
    }
  }

  /** Going back must not fail because the disk is full: without its note, the next process goes back as well. */
  async announceAnyway(stage: SwapEvent['stage'], message: string, more: Partial<SwapEvent> = {}): Promise<void> {
    await this.announce(stage, message, more).catch((error: unknown) => this.#log(messageOf(error)));
  }

  /** As `announce`; while going back every step is part of `rollback`: that is what the next process must know. */
  step(stage: SwapEvent['stage'], component: string, message: string): Promise<void> {
    return this.record.failure
      ? this.announceAnyway('rollback', message, { component })
      : this.announce(stage, message, { component });
  }
}
