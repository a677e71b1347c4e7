import { saysWhenReady } from '../../engine/image-config.ts';
import { containerPaths } from '../../engine/paths.ts';
import { monotonicMs } from '../../native/clock.ts';
import type { DatagramSocket } from '../../native/datagram.ts';
import { journal } from '../../native/journal.ts';
import type { ComponentView } from '../component-view.ts';
import { HealthMonitor, hasHealthcheck, healthSettings } from '../health.ts';
import { probe } from '../probe.ts';
import { Readiness } from '../readiness.ts';
import type { Notes } from './notes.ts';

/** Keeps asking a running container how it is, and hears what it says of itself. */
export class HealthWatch {
  readonly #component: ComponentView;
  readonly #notes: Notes;
  #readiness: Readiness | undefined;

  constructor(component: ComponentView, notes: Notes) {
    this.#component = component;
    this.#notes = notes;
  }

  /** For a container that is about to start: gets what it says on its socket. */
  prepare(): (message: Buffer) => void {
    this.#readiness = this.#newReadiness();
    return this.#readiness.hear;
  }

  /** It was started; `notify` is the socket on which it says that it is ready, if it does. */
  begin(notify: DatagramSocket | undefined): void {
    this.#readiness?.listen(notify);
    this.#ask();
  }

  /** It was started by this process's predecessor. Nothing that it said meanwhile is lost: the socket is its conmon's, too. */
  async resume(): Promise<void> {
    const { state, config, name, instance } = this.#component;
    if (state.conmon && saysWhenReady(config)) {
      const readiness = this.#newReadiness();
      if (state.ready || state.health === 'healthy') readiness.assumeReady();
      this.#readiness = readiness;
      await readiness
        .listenAgain(state.conmon.pid, containerPaths(instance).notifySocket)
        .catch((error: Error) => journal(`${name}: it cannot say any more that it is ready: ${error.message}`));
    }
    this.#ask();
  }

  /** Goes on with the container that another component object has watched so far. */
  takeOver(other: HealthWatch): void {
    this.#readiness = other.#readiness;
    other.#readiness = undefined;
    this.#readiness?.tellInstead(() => this.#becameReady());
    if (this.#component.running) this.#ask();
  }

  /** Asks no more; what the container says is still heard. */
  pause(): void {
    this.#component.monitor?.stop();
    this.#component.monitor = undefined;
  }

  /** The container has ended, or this process does. */
  end(): void {
    this.pause();
    this.#readiness?.close();
    this.#readiness = undefined;
  }

  #newReadiness(): Readiness {
    return new Readiness(() => this.#becameReady());
  }

  /** It says so once: it is written down before the message is gone. */
  #becameReady(): void {
    this.#notes.save({ ready: true });
    this.#component.monitor?.checkNow();
  }

  #ask(): void {
    const { config, state, instance } = this.#component;
    const { process, startedAtMs } = state;
    const check = config.healthcheck;
    this.pause();
    if (!process || !hasHealthcheck(check)) return;
    const target = { name: instance, pid: process.pid, hostNetwork: (config.net ?? 'host') === 'host' };
    this.#component.monitor = new HealthMonitor({
      settings: healthSettings(check),
      status: state.health,
      runningMs: startedAtMs === undefined ? 0 : monotonicMs() - startedAtMs,
      probe: async (timeoutMs) =>
        check.ready && this.#readiness ? this.#readiness.outcome() : probe(check, target, timeoutMs),
      onChange: (health) => {
        this.#notes.save({ health });
        this.#notes.event(`health_status: ${health}`);
        this.#notes.changed();
      },
    });
  }
}
