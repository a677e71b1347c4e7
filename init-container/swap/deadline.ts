import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { parseDuration } from '../../src/shared/duration.ts';
import { hasHealthcheck, healthSettings } from '../supervisor/health.ts';

/** For a slow board: containers take a while to come up, and probes to end. */
const marginMs = 30_000;

/** Without a health check a component must stay up for this long. */
const settleMs = 3000;

/** Making a container may take this long (crun alone has a limit of a minute for each of its calls). */
export const startLimitMs = 180_000;

/** Checking images, copying volumes and putting parts in place: as long as it may take to write a large image. */
export const workLimitMs = 600_000;

/** Node's timers cannot wait longer. */
const longestTimerMs = 2 ** 31 - 1;

/** As `stop_grace_period` without one, as Docker's. */
const defaultGraceMs = 10_000;

/** How long, in milliseconds, all must stay healthy when a definition does not say it. */
const defaultStableMs = 3000;

/**
 * Milliseconds after which a component that is not healthy will not become so: what its definition says, else the time in
 * which its health check itself decides (which it normally does first), and a margin.
 */
export function probeLimitMs({ swap, healthcheck }: ComponentConfig): number {
  const said = parseDuration(swap?.timeout ?? '');
  if (said !== undefined) return Math.min(said, longestTimerMs);
  if (!hasHealthcheck(healthcheck)) return settleMs + marginMs;
  const { startPeriodMs, retries, intervalMs, timeoutMs } = healthSettings(healthcheck);
  return Math.min(startPeriodMs + retries * (intervalMs + timeoutMs) + marginMs, longestTimerMs);
}

/** Milliseconds after which a container that was to be stopped will not end any more. */
export function stopLimitMs({ stop_grace_period }: ComponentConfig): number {
  return Math.min((parseDuration(stop_grace_period ?? '') ?? defaultGraceMs) + 2 * marginMs, longestTimerMs);
}

/** Milliseconds of the window: what was asked for, else the longest of all that are swapped together. */
export function stableMs(configs: readonly ComponentConfig[], asked: string | undefined): number {
  const durations = asked === undefined ? configs.map(({ swap }) => swap?.stable) : [asked];
  const longest = Math.max(0, ...durations.map((text) => parseDuration(text ?? '') ?? defaultStableMs));
  return Math.min(longest, longestTimerMs);
}

/** `work`, or a rejection with `what` when it has not ended after `ms`; the work itself is then left to itself. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not end within ${Math.round(ms / 1000)} s`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
