import type { ComponentStatus } from '../../src/shared/api/types.ts';
import type { Supervisor } from '../supervisor/types.ts';
import { isUp, isWell } from './observe.ts';

/** A component did not stay healthy, or did not become so. */
export class UnstableError extends Error {
  readonly component: string;
  constructor(component: string, message: string) {
    super(message);
    this.name = 'UnstableError';
    this.component = component;
  }
}

export interface StabilityOptions {
  supervisor: Supervisor;
  /** What was swapped: it is healthy now, and must stay so. */
  swapped: readonly string[];
  /** What depends on it: it may need a while to be healthy again. */
  others: readonly string[];
  /** Length of the window. */
  stableMs: number;
  /** How long the others may take before it begins. */
  recoverMs: number;
}

/**
 * Resolves when all have been healthy for the whole window; an end, a restart or bad health of any of them rejects at once
 * with an `UnstableError`.
 */
export async function watchStability(options: StabilityOptions): Promise<void> {
  const { supervisor, swapped, others, stableMs, recoverMs } = options;
  const news = newsOf(supervisor, new Set([...swapped, ...others]));
  try {
    const give = performance.now() + recoverMs;
    let runs: Map<string, ComponentStatus>;
    for (;;) {
      const heard = news.next();
      runs = await statuses(supervisor);
      for (const name of swapped) if (!isWell(runs.get(name))) throw unstable(name, runs.get(name));
      const ill = others.find((name) => !isWell(runs.get(name)));
      if (ill === undefined) break;
      const left = give - performance.now();
      if (left <= 0) throw late(ill, runs.get(ill), recoverMs);
      await soonest(heard, Math.min(left, 1000));
    }
    const end = performance.now() + stableMs;
    for (;;) {
      const heard = news.next();
      const now = await statuses(supervisor);
      for (const name of [...swapped, ...others]) {
        const [before, status] = [runs.get(name), now.get(name)];
        const another = status?.pid !== before?.pid || status?.startedAt !== before?.startedAt;
        if (another || !isWell(status)) throw unstable(name, status, another);
      }
      const left = end - performance.now();
      if (left <= 0) return;
      await soonest(heard, left);
    }
  } finally {
    news.stop();
  }
}

/** Wakes at each event of one of these components. */
function newsOf(supervisor: Supervisor, names: ReadonlySet<string>) {
  let wake: () => void = () => undefined;
  const onEvent = ({ component }: { component: string }) => {
    if (names.has(component)) wake();
  };
  supervisor.events.on('event', onEvent);
  return {
    /** To be called before the state is looked at: what happens meanwhile counts. */
    next: () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      }),
    stop: () => void supervisor.events.off('event', onEvent),
  };
}

async function soonest(heard: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([heard, passed]);
  clearTimeout(timer);
}

async function statuses(supervisor: Supervisor): Promise<Map<string, ComponentStatus>> {
  return new Map((await supervisor.status()).map((status) => [status.name, status]));
}

function unstable(name: string, status: ComponentStatus | undefined, another = false): UnstableError {
  const what =
    status?.health === 'unhealthy'
      ? 'became unhealthy'
      : another && isUp(status)
        ? 'was restarted'
        : `ended${status?.exitCode === undefined ? '' : ` with exit code ${status.exitCode}`}`;
  return new UnstableError(name, `${name} did not stay healthy: it ${what}`);
}

function late(name: string, status: ComponentStatus | undefined, ms: number): UnstableError {
  const state = status === undefined ? 'gone' : `${status.state}, health: ${status.health}`;
  return new UnstableError(name, `${name} did not become healthy again within ${Math.round(ms / 1000)} s (${state})`);
}
