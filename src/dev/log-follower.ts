import { setTimeout as sleep } from 'node:timers/promises';
import type { Device, LogPosition } from '../device/device.ts';
import { messageOf } from '../shared/message-of.ts';
import { TransportError } from '../transport/transport.ts';
import type { DevReport } from './report.ts';

const pauseMs = 300;

/**
 * Follows a component's log from now on, over lost connections and also after it has ended for good: the next swap starts
 * the component again. Each line once.
 */
export class LogFollower {
  readonly #device: Device;
  readonly #name: string;
  readonly #report: Pick<DevReport, 'log' | 'note'>;
  #wake: () => void = () => undefined;

  constructor(device: Device, name: string, report: Pick<DevReport, 'log' | 'note'>) {
    this.#device = device;
    this.#name = name;
    this.#report = report;
  }

  /** Something has happened after which there may be more to read. */
  wake(): void {
    this.#wake();
  }

  /** Until `signal` aborts, or the device says why there is nothing to follow. Never rejects. */
  async follow(signal: AbortSignal): Promise<void> {
    let position: LogPosition = {};
    while (!signal.aborted) {
      // Before the device has said where that is, there is no going on exactly there.
      if (position.cursor === undefined) position = {};
      let more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        const options = { follow: true, tail: 0, position, signal };
        for await (const line of this.#device.logs(this.#name, options)) await this.#report.log(line);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof TransportError && error.retry)) {
          this.#report.note(`the log of ${this.#name} cannot be followed: ${messageOf(error)}`);
          return;
        }
        if (this.#device.connection.current.state === 'connected') more = sleep(pauseMs);
      }
      await more;
    }
  }
}
