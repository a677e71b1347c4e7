import { setTimeout as delay } from 'node:timers/promises';
import type { Device } from '../../device/device.ts';
import type { DeviceInfo } from '../../shared/api/types.ts';
import { sanitizeName } from '../../shared/text/sanitize.ts';
import { errorText } from '../errors.ts';
import { keepSelection, mergeComponents } from '../store/components.ts';
import type { AppState } from '../store/state.ts';
import type { Store } from '../store/store.ts';
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

/** Keeps the components and the facts about the device in the store, as often as the connection bears. */
export class Poller {
  private readonly device: Device;
  private readonly store: Store<AppState>;
  private readonly wakeup = new Wakeup();
  private paused = false;
  private infoWanted = true;

  constructor(device: Device, store: Store<AppState>) {
    this.device = device;
    this.store = store;
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
        await this.store.until((state) => state.connection.state === 'connected', signal);
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
    const { store, device } = this;
    try {
      const reading = await device.components();
      store.set((state) => {
        const components = mergeComponents(state.components, reading);
        const selected = keepSelection(state.components, components, state.selected);
        return { components, selected, loaded: true, loadError: undefined, now: Date.now() };
      });
      const { info, infoAt } = store.get();
      if (this.infoWanted || !info || Date.now() - infoAt >= infoInterval) {
        this.infoWanted = false;
        const fresh = cleaned(await device.info());
        store.set({ info: fresh, infoAt: Date.now() });
      }
    } catch (error) {
      // A broken connection has its own banner, with a better reason than the call that it broke.
      if (store.get().connection.state === 'connected') store.set({ loadError: errorText(error) });
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
