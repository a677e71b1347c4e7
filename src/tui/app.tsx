import type { Device } from '../device/device.ts';
import { followEvents } from '../device/readings/follow-events.ts';
import { Sampler } from '../device/readings/sampler.ts';
import { sanitizeLine, sanitizeName } from '../shared/text/sanitize.ts';
import { terminalSize } from '../shared/text/terminal-size.ts';
import { helpLines } from './actions/reference.ts';
import type { Context } from './context.ts';
import { LogFollower } from './sources/log-follower.ts';
import { keepReadings } from './sources/readings.ts';
import { type AppState, initialState, type Toast } from './store/state.ts';
import { Store } from './store/store.ts';
import { stopJob } from './terminal/job-control.ts';
import { setCooked } from './terminal/keyboard.ts';
import { TerminalScreen } from './terminal/screen.ts';
import { AppView } from './ui/app-view.tsx';

const toastMs = 6000;
const clockMs = 1000;

/** Ties the parts together: sources fill the store, the screen shows it, actions work with the context. */
export class App {
  private readonly device: Device;
  private readonly store: Store<AppState>;
  private readonly sampler: Sampler;
  private readonly screen: TerminalScreen;
  private readonly context: Context;
  private readonly abort = new AbortController();
  private readonly ended = Promise.withResolvers<void>();
  private toasts = 0;
  /** While someone else has the terminal, nobody may bring the screen back but who took it off. */
  private away = false;

  constructor(device: Device, color: boolean) {
    this.device = device;
    this.store = new Store(initialState(sanitizeName(device.name), device.connection.current, helpLines(), Date.now()));
    this.sampler = new Sampler(device, keepReadings(this.store));
    this.context = {
      device,
      store: this.store,
      logs: new LogFollower(device, this.store, color),
      color,
      toast: (kind, text) => this.toast(kind, text),
      refresh: (everything) => this.sampler.refresh(everything),
      handOver: (run) => this.handOver(run),
      suspend: () => void this.handOver(stopJob),
      quit: () => this.ended.resolve(),
    };
    this.screen = new TerminalScreen(<AppView context={this.context} />, (error) => this.ended.reject(error));
  }

  /** Shows the UI until the person leaves it; rejects when it cannot be drawn. */
  async run(): Promise<void> {
    const { store, device } = this;
    const { signal } = this.abort;
    const onResize = () => store.set({ size: terminalSize() });
    const clock = setInterval(() => !this.away && store.set({ now: Date.now() }), clockMs);
    const unsubscribe = device.connection.subscribe((connection) => {
      const back = store.get().connection.state === 'reconnecting' && connection.state === 'connected';
      const detail = 'detail' in connection ? { detail: sanitizeLine(connection.detail, { color: false }) } : {};
      store.set({ connection: { ...connection, ...detail }, loadError: undefined });
      if (back) this.toast('info', 'connected again');
      if (connection.state === 'connected') this.sampler.refresh(true);
    });
    process.stdout.on('resize', onResize);
    onResize();
    const sources = [this.sampler.run(signal), followEvents(device, () => this.sampler.refresh(), signal)];
    for (const source of sources) source.catch((error: unknown) => this.ended.reject(error));
    this.screen.show();
    try {
      await this.ended.promise;
    } finally {
      this.abort.abort(new Error('the UI has ended'));
      this.context.logs.close();
      clearInterval(clock);
      unsubscribe();
      process.stdout.off('resize', onResize);
      await this.screen.hide();
      setCooked();
      await Promise.allSettled(sources);
    }
  }

  /** For exit paths: synchronous, harmless when repeated. */
  restoreTerminal(): void {
    this.screen.restoreAfterAnyone();
  }

  private async handOver(run: () => Promise<void>): Promise<void> {
    if (this.away) return;
    this.away = true;
    this.sampler.setPaused(true);
    await this.screen.hide();
    try {
      await run();
    } finally {
      this.away = false;
      this.store.set({ size: terminalSize(), now: Date.now() });
      if (!this.abort.signal.aborted) this.screen.show();
      this.sampler.setPaused(false);
    }
  }

  private toast(kind: Toast['kind'], text: string): void {
    const id = ++this.toasts;
    const toast = { id, kind, text: sanitizeLine(text, { color: false }) };
    this.store.set((state) => ({ toasts: [...state.toasts.slice(-1), toast] }));
    const expire = () => this.store.set((state) => ({ toasts: state.toasts.filter((each) => each.id !== id) }));
    setTimeout(expire, toastMs).unref();
  }
}
