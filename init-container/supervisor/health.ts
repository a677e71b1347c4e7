import type { Healthcheck } from '../../src/shared/definition/component-config.ts';
import { parseDuration } from '../../src/shared/duration.ts';

/** How one probe ended. `exitCode` 0 is healthy; -1 = no answer within the time limit, as in Docker. */
export interface ProbeResult {
  startedAt: string;
  endedAt: string;
  exitCode: number;
  /** At most 4096 characters. */
  output: string;
}

/** A timer of Node's that is longer would be due at once. */
const longestTimerMs = 2 ** 31 - 1;

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

export interface HealthSettings {
  intervalMs: number;
  timeoutMs: number;
  retries: number;
  startPeriodMs: number;
  startIntervalMs: number;
}

/** Compose's names; the defaults are shorter than Docker's 30 s, because a person waits for the answer. */
export function healthSettings(check: Healthcheck): HealthSettings {
  const ms = (text: string | undefined, fallback: number) =>
    Math.min(longestTimerMs, (text && parseDuration(text)) || fallback);
  const intervalMs = ms(check.interval, 10_000);
  return {
    intervalMs,
    timeoutMs: ms(check.timeout, 5000),
    retries: check.retries ?? 3,
    startPeriodMs: ms(check.start_period, 0),
    startIntervalMs: Math.min(intervalMs, ms(check.start_interval, 500)),
  };
}

export function hasHealthcheck(check: Healthcheck | undefined): check is Healthcheck {
  if (!check || check.disable) return false;
  if (Array.isArray(check.test) && check.test[0] === 'NONE') return false;
  return [check.test, check.http, check.tcp, check.ready].some((way) => way !== undefined);
}

/**
 * Probes one running container. Until the first success it probes often, and a failure counts only after
 * `start_period` + `retries` × `interval`: the moment at which Compose's slower probes would give up, too.
 */
export class HealthMonitor {
  readonly settings: HealthSettings;
  status: HealthStatus;
  failingStreak = 0;
  /** The last five, newest last. */
  readonly log: ProbeResult[] = [];
  readonly #probe: (timeoutMs: number) => Promise<{ exitCode: number; output: string }>;
  readonly #onChange: (status: HealthStatus) => void;
  readonly #giveUpAt: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: {
    settings: HealthSettings;
    /** When this process was restarted, the status it had found before. */
    status?: HealthStatus;
    /** Milliseconds since the container's start. */
    runningMs: number;
    probe: (timeoutMs: number) => Promise<{ exitCode: number; output: string }>;
    onChange: (status: HealthStatus) => void;
  }) {
    const { settings } = options;
    this.settings = settings;
    this.status = options.status ?? 'starting';
    this.#probe = options.probe;
    this.#onChange = options.onChange;
    const patienceMs = settings.startPeriodMs + settings.retries * settings.intervalMs;
    this.#giveUpAt = performance.now() - options.runningMs + patienceMs;
    this.#schedule(0);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Asks at once: there is reason to think that the answer has changed. */
  checkNow(): void {
    this.#schedule(0);
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#run(), delayMs);
  }

  async #run(): Promise<void> {
    const startedAt = new Date().toISOString();
    const result = await this.#probe(this.settings.timeoutMs).catch((error: Error) => ({
      exitCode: -1,
      output: error.message,
    }));
    if (this.#stopped) return;
    this.log.push({
      startedAt,
      endedAt: new Date().toISOString(),
      exitCode: result.exitCode,
      output: result.output.slice(0, 4096),
    });
    if (this.log.length > 5) this.log.shift();
    this.#judge(result.exitCode === 0);
    this.#schedule(this.status === 'starting' ? this.settings.startIntervalMs : this.settings.intervalMs);
  }

  #judge(passed: boolean): void {
    this.failingStreak = passed ? 0 : this.failingStreak + 1;
    if (passed) this.#become('healthy');
    else if (this.status === 'healthy' && this.failingStreak >= this.settings.retries) this.#become('unhealthy');
    else if (this.status === 'starting' && performance.now() >= this.#giveUpAt) this.#become('unhealthy');
  }

  #become(status: HealthStatus): void {
    if (status === this.status) return;
    this.status = status;
    this.#onChange(status);
  }
}
