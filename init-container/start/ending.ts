import type { ConsoleAgent } from '../console/agent.ts';
import { journal } from '../native/journal.ts';
import { runOnHost } from '../native/run.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import type { Watchdog } from '../supervisor/watchdog.ts';
import type { KeptLogs } from './logs.ts';

/** What is there to be ended so far; filled in while the device comes up. */
export interface Running {
  supervisor?: ContainerSupervisor;
  watchdog?: Watchdog | undefined;
  console?: ConsoleAgent | undefined;
  api?: { close(): Promise<void> };
  logs?: KeptLogs;
}

/** How this process ends, and how the device does. */
export class Ending {
  readonly running: Running = {};

  /** Signals of PID 1's launcher, and of the service on top of a distribution. */
  listen(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void this.leave(signal));
    // Asked for before a machine with a distribution goes down, and before Gantry is removed from it.
    process.once('SIGPWR', () => void this.#stopAll());
  }

  /** Ends this process and nothing else: the containers go on, and the next init container finds them. */
  async leave(why: string): Promise<void> {
    const { supervisor, watchdog, console, api, logs } = this.running;
    journal(`${why}: ending; the system containers go on running`);
    logs?.close();
    supervisor?.close();
    watchdog?.leave();
    await console?.close();
    await api?.close();
    logs?.closeSources();
    process.exit(0);
  }

  /** Everything in order first; then PID 1 does the rest, as for anyone who types `reboot`. */
  async power(action: 'reboot' | 'poweroff'): Promise<void> {
    const { supervisor, watchdog } = this.running;
    journal(`${action}: stopping the system containers`);
    await supervisor?.shutDown();
    if (action === 'poweroff') watchdog?.disarm();
    await runOnHost(['busybox', 'sync']);
    const result = await runOnHost(['busybox', action]);
    if (result.code !== 0) throw new Error(`busybox ${action} failed: ${result.stderr.trim()}`);
  }

  /** A component's definition asks for it. Never rejects. */
  async rebootBecause(reason: string): Promise<void> {
    const words = `${reason}: restarting the device, as its on_failure says`;
    journal(words);
    this.running.console?.say(words);
    await this.power('reboot').catch((error: Error) => journal(error.message));
  }

  /** Ends the system containers in order, then this process. */
  async #stopAll(): Promise<void> {
    journal('SIGPWR: stopping the system containers');
    await this.running.supervisor?.shutDown();
    await this.leave('SIGPWR');
  }
}
