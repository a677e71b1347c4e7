/**
 * When a folder that is being worked on is built and swapped: pure, so that every order of events can be tried in a test.
 * Times are milliseconds of one clock that never goes back.
 */

/** An editor's save is several events; what is quiet for this long is saved. */
export const quietMs = 50;
/** What is never quiet is built all the same, this long after its first change. */
export const patienceMs = 500;
/** Builds in a row that may be dropped because something changed meanwhile; the next one is swapped in whatever happens. */
export const maxDropped = 3;

export type RoundEvent =
  | { type: 'changed'; path: string; at: number }
  /** The time that a `wait` named has come. */
  | { type: 'woken'; at: number }
  | { type: 'built'; ok: boolean; at: number }
  /** `lost`: the device could not be reached; `again` must follow before anything is tried. */
  | { type: 'swapped'; lost: boolean; at: number }
  /** The device can be reached again. */
  | { type: 'again'; at: number };

export type RoundCommand =
  /** `changes`: for people, each once. `since`: when the first of them came. */
  { do: 'build'; changes: string[]; since: number } | { do: 'swap' } | { do: 'wait'; until: number };

export interface Rounds {
  doing: 'nothing' | 'building' | 'swapping';
  /** Not built yet, in the order in which they came first. */
  changes: ReadonlySet<string>;
  /** Of those: when the first and the newest came. */
  first: number;
  newest: number;
  /** When the first of those came that a round before was about, which came to nothing. */
  since: number | undefined;
  /** What the build or swap under way is of. */
  current: { changes: ReadonlySet<string>; since: number };
  /** Builds in a row whose image was not swapped in. */
  dropped: number;
  /** The device cannot be reached: nothing is built until it can. */
  lost: boolean;
}

const none: ReadonlySet<string> = new Set();

/** Begins with a round of its own, of `reason`. */
export function beginRounds(reason: string, at: number): Rounds {
  const changes = new Set([reason]);
  const current = { changes: none, since: at };
  return { doing: 'nothing', changes, first: at, newest: at, since: undefined, current, dropped: 0, lost: false };
}

/** What an event makes of the rounds, and what is to be done now, which is never more than one thing. */
export function nextRound(rounds: Rounds, event: RoundEvent): [Rounds, RoundCommand | undefined] {
  switch (event.type) {
    case 'changed':
      return whenIdle(withChange(rounds, event.path, event.at), event.at);
    case 'woken':
      return whenIdle(rounds, event.at);
    case 'again':
      return whenIdle({ ...rounds, lost: false }, event.at);
    case 'built':
      return built(rounds, event);
    case 'swapped':
      return swapped(rounds, event);
  }
}

function withChange(rounds: Rounds, path: string, at: number): Rounds {
  const first = rounds.changes.size === 0 ? at : rounds.first;
  return { ...rounds, changes: new Set([...rounds.changes, path]), first, newest: at };
}

function whenIdle(rounds: Rounds, at: number): [Rounds, RoundCommand | undefined] {
  const { doing, changes, first, newest, lost } = rounds;
  if (doing !== 'nothing' || changes.size === 0 || lost) return [rounds, undefined];
  const due = Math.min(newest + quietMs, first + patienceMs);
  if (at < due) return [rounds, { do: 'wait', until: due }];
  const current = { changes, since: rounds.since ?? first };
  return [
    { ...rounds, doing: 'building', changes: none, since: undefined, current },
    { do: 'build', changes: [...changes], since: current.since },
  ];
}

function built(rounds: Rounds, { ok, at }: { ok: boolean; at: number }): [Rounds, RoundCommand | undefined] {
  // What changed while it was read may be in it by half.
  const stale = rounds.changes.size > 0 && rounds.dropped < maxDropped;
  if (stale) return whenIdle({ ...takenBack(rounds), doing: 'nothing', dropped: rounds.dropped + 1 }, at);
  if (ok) return [{ ...rounds, doing: 'swapping', dropped: 0 }, { do: 'swap' }];
  return whenIdle({ ...rounds, doing: 'nothing', dropped: 0 }, at);
}

function swapped(rounds: Rounds, { lost, at }: { lost: boolean; at: number }): [Rounds, RoundCommand | undefined] {
  return whenIdle({ ...(lost ? takenBack(rounds) : rounds), doing: 'nothing', lost }, at);
}

/** What was to be done is still to be done, with what came since. */
function takenBack(rounds: Rounds): Rounds {
  const { changes, since } = rounds.current;
  const times = rounds.changes.size === 0 ? { first: since, newest: since } : {};
  return { ...rounds, ...times, changes: new Set([...changes, ...rounds.changes]), since };
}

/** Whether the build that has just ended is not swapped in, because something changed meanwhile. */
export function isDropped(before: Rounds, after: Rounds): boolean {
  return after.dropped > before.dropped;
}
