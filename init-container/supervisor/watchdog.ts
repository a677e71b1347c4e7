import type { WatchdogStatus } from '../../src/shared/api/types.ts';
import { parseDuration } from '../../src/shared/duration.ts';
import { monotonicMs } from '../native/clock.ts';
import { journal } from '../native/journal.ts';
import { openWatchdog, type WatchdogDevice } from '../native/watchdog-device.ts';
import type { Component } from './component.ts';
import { defaultGraceMs, settledMs } from './policy.ts';

/** Long enough for the init container to be replaced, and its replacement to be taken back. */
const timeoutSeconds = 60;

/** A critical component may be ill for this long (and its `stop_grace_period`) before the device is given up. */
const patienceMs = 60_000;
/** One that has not run yet in this boot may wait for what it depends on for longer. */
const firstPatienceMs = 300_000;
/** The supervisor looks at its containers every 15 s. */
const longestPauseMs = 60_000;

/** What the watchdog looks at in a component. */
export type WatchedComponent = Pick<
  Component,
  'name' | 'kind' | 'spec' | 'config' | 'state' | 'running' | 'health' | 'uptimeMs' | 'reason' | 'componentState'
>;

/** What the watchdog asks of the supervisor. */
export interface Watched {
  components(): WatchedComponent[];
  /** The boot has stopped, and a person was asked for: restarting would take the rescue shell away. */
  readonly haltedAt: string | undefined;
  readonly isShuttingDown: boolean;
  readonly sinceCheckMs: number;
}

/** Remembers since when critical components have been ill, and says when that is too long. */
export class Judge {
  readonly #illSince = new Map<string, number>();

  /** Why the device should be restarted; undefined when all is well. */
  reasonAgainst(watched: Watched, nowMs: number): string | undefined {
    if (watched.isShuttingDown) return undefined;
    if (watched.sinceCheckMs > longestPauseMs)
      return `the supervisor has not looked at its containers for ${Math.round(watched.sinceCheckMs / 1000)} s`;
    let reason: string | undefined;
    for (const component of watched.components()) {
      const { name } = component;
      if (isWell(component) || watched.haltedAt !== undefined) {
        this.#illSince.delete(name);
        continue;
      }
      const since = this.#illSince.get(name) ?? nowMs;
      this.#illSince.set(name, since);
      if (nowMs - since >= patienceWith(component)) {
        const state = component.running ? component.health : (component.reason ?? component.componentState);
        reason ??= `${name} has not been well for ${Math.round((nowMs - since) / 1000)} s (${state})`;
      }
    }
    return reason;
  }
}

/** Whether nothing speaks against a component: also while it starts, unless that is one failure after the other. */
function isWell(component: WatchedComponent): boolean {
  const { config, kind, spec, state, health, running, uptimeMs } = component;
  if (config.critical !== true || kind !== 'service' || spec === undefined || state.wish === 'stop') return true;
  if (!running || health === 'unhealthy') return false;
  if (health === 'healthy' || !state.failures) return true;
  return health === 'none' && (uptimeMs ?? 0) >= settledMs;
}

function patienceWith({ state, config }: WatchedComponent): number {
  if (state.phase === 'created') return firstPatienceMs;
  return patienceMs + (parseDuration(config.stop_grace_period ?? '') ?? defaultGraceMs);
}

/** Feeds the machine's watchdog as long as this process and all critical components are well. */
export class Watchdog {
  readonly #device: WatchdogDevice;
  readonly #watched: Watched;
  readonly #judge = new Judge();
  readonly #timer: NodeJS.Timeout;
  #reason: string | undefined;

  private constructor(device: WatchdogDevice, watched: Watched) {
    this.#device = device;
    this.#watched = watched;
    // Several times in its time: one late turn must not matter.
    this.#timer = setInterval(() => this.#turn(), Math.min(10_000, (device.timeoutSeconds * 1000) / 4));
    this.#turn();
  }

  /** Undefined when the machine has none that can be used. */
  static async start(watched: Watched): Promise<Watchdog | undefined> {
    try {
      const device = await openWatchdog(timeoutSeconds);
      if (!device) return undefined;
      journal(`${device.path} restarts the device after ${device.timeoutSeconds} s without a sign of life`);
      return new Watchdog(device, watched);
    } catch (error) {
      journal(`the watchdog cannot be used: ${(error as Error).message}`);
      return undefined;
    }
  }

  get status(): WatchdogStatus {
    const { path: device, timeoutSeconds: seconds } = this.#device;
    return { device, timeoutSeconds: seconds, feeding: this.#reason === undefined, reason: this.#reason };
  }

  /**
   * For the end of this process: its successor goes on feeding, and a reboot that hangs is ended by the hardware. The kernel
   * says "watchdog did not stop!" then, as it should.
   */
  leave(): void {
    this.#end({ disarm: false });
  }

  /** For a power-off: a machine that is off must not be started by it. */
  disarm(): void {
    this.#end({ disarm: true });
  }

  #end(options: { disarm: boolean }): void {
    clearInterval(this.#timer);
    this.#turn();
    this.#device.close(options);
  }

  #turn(): void {
    const before = this.#reason;
    this.#reason = this.#judge.reasonAgainst(this.#watched, monotonicMs());
    if (this.#reason !== undefined && before === undefined) {
      const seconds = this.#device.timeoutSeconds;
      journal(`${this.#reason}: the watchdog is not fed any more and restarts the device within ${seconds} s`);
    }
    if (this.#reason === undefined && before !== undefined) journal('the watchdog is fed again');
    try {
      if (this.#reason === undefined) this.#device.feed();
    } catch (error) {
      journal(`the watchdog cannot be fed: ${(error as Error).message}`);
    }
  }
}
