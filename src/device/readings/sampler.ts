import { setTimeout as delay } from 'node:timers/promises';
import type { ComponentStatus, DeviceInfo } from '../../shared/api/types.ts';
import { sanitizeName } from '../../shared/text/sanitize.ts';
import type { Device } from '../device.ts';
import { untilConnected } from './connected.ts';
import { Wakeup } from './wakeup.ts';

const normalInterval = 1000;
const infoInterval = 10_000;
const leastPause = 100;
/** The longest that a timer takes: 24 days. */
const longest = 2 ** 31 - 1;
/** Of the time, at most a tenth is spent on calls: over a serial line one call can take a second. */
const idlePerBusy = 9;
/** After an event there may be no more than a quarter. */
const idlePerBusyOnEvent = 3;

/** What a view does with readings. */
export interface SamplerListener {
  onComponents(reading: ComponentStatus[]): void;
  onInfo(info: DeviceInfo): void;
  /** A call failed although there is a connection. */
  onError(error: unknown): void;
}

/** Reads the components and the facts about a device, as often as the connection bears. */
export class Sampler {
  private readonly device: Device;
  private readonly listener: SamplerListener;
  private readonly wakeup = new Wakeup();
  private paused = false;
  private infoWanted = true;
  private infoAt = 0;

  constructor(device: Device, listener: SamplerListener) {
    this.device = device;
    this.listener = listener;
  }

  /** Asks for a reading soon; `everything`: of the device too, not only of the components. */
  refresh(everything = false): void {
    if (everything) this.infoWanted = true;
    this.wakeup.wake();
  }

  /** While paused nothing is asked: someone else needs the line. */
  setPaused(paused: boolean): void {
    this.paused = paused;
    if (!paused) this.wakeup.wake();
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await untilConnected(this.device.connection, signal);
        let busy = 0;
        if (!this.paused) {
          const before = performance.now();
          await this.read();
          busy = performance.now() - before;
        }
        const { always, unlessWoken } = pauses(busy);
        await delay(always, undefined, { signal });
        await this.wakeup.wait(this.paused ? longest : unlessWoken, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  private async read(): Promise<void> {
    const { listener, device } = this;
    try {
      listener.onComponents(await device.components());
      if (!this.infoWanted && performance.now() - this.infoAt < infoInterval) return;
      // Before the call: who asks for it meanwhile wants a newer one.
      this.infoWanted = false;
      try {
        const info = await device.info();
        this.infoAt = performance.now();
        listener.onInfo(cleaned(info));
      } catch (error) {
        this.infoWanted = true;
        throw error;
      }
    } catch (error) {
      // A broken connection has its own banner, with a better reason than the call that it broke.
      if (device.connection.current.state === 'connected') listener.onError(error);
    }
  }
}

/** How long to wait after a call that took `busyMs`: in any case, and then unless something happens. */
export function pauses(busyMs: number): { always: number; unlessWoken: number } {
  const always = Math.max(leastPause, busyMs * idlePerBusyOnEvent);
  return { always, unlessWoken: Math.max(normalInterval, busyMs * idlePerBusy) - always };
}

function cleaned(info: DeviceInfo): DeviceInfo {
  return { ...info, hostname: sanitizeName(info.hostname), kernel: sanitizeName(info.kernel) };
}
