import type { Healthcheck } from '../../src/shared/definition/component-config.ts';
import { hasHealthcheck, healthSettings } from '../supervisor/health.ts';

/** For a slow board: containers take a while to come up, and probes to end. */
const marginMs = 30_000;

/** Without a health check a component must stay up for this long. */
const settleMs = 3000;

/**
 * Milliseconds after which a component that is not healthy will not become so: the time in which its health check itself
 * decides (which it normally does first), and a margin.
 */
export function probeDeadlineMs(check: Healthcheck | undefined): number {
  if (!hasHealthcheck(check)) return settleMs + marginMs;
  const { startPeriodMs, retries, intervalMs, timeoutMs } = healthSettings(check);
  return startPeriodMs + retries * (intervalMs + timeoutMs) + marginMs;
}
