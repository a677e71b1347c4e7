import type { FSWatcher } from 'node:fs';
import { watchExits } from '../engine/exits.ts';
import { monotonicMs } from '../native/clock.ts';
import { journal } from '../native/journal.ts';
import type { Roster } from './roster.ts';

/** Exits are seen at once through their files; this finds what leaves none, such as a conmon that was killed. */
const checkIntervalMs = 15_000;

/** Looks at all containers, so that none ends unnoticed. */
export class ContainerWatch {
  readonly #roster: Roster;
  #exits: FSWatcher | undefined;
  #checks: NodeJS.Timeout | undefined;
  /** When the slow check last went through, in milliseconds since the device's boot. */
  #checkedAtMs = monotonicMs();

  constructor(roster: Roster) {
    this.#roster = roster;
  }

  /** Throws when the folder of exit files cannot be watched. */
  start(): void {
    this.#exits = watchExits((name) => {
      this.#roster
        .all()
        .find(({ instance }) => instance === name)
        ?.end.notice();
    });
    this.#checks = setInterval(() => void this.#check(), checkIntervalMs);
  }

  close(): void {
    this.#exits?.close();
    clearInterval(this.#checks);
  }

  /** Milliseconds since it last looked at every container. */
  get sinceCheckMs(): number {
    return monotonicMs() - this.#checkedAtMs;
  }

  async #check(): Promise<void> {
    for (const component of this.#roster.all()) {
      await component.end.check().catch((error: Error) => journal(`${component.name}: ${error.message}`));
    }
    this.#checkedAtMs = monotonicMs();
  }
}
