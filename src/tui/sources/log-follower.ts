import type { Device, LogLine, LogPosition } from '../../device/device.ts';
import { Wakeup } from '../../device/readings/wakeup.ts';
import { formatDuration } from '../../shared/text/format.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import { errorText } from '../errors.ts';
import { type LogEntry, LogRing } from '../store/log-ring.ts';
import { initialLogView } from '../store/log-view.ts';
import type { AppState } from '../store/state.ts';
import type { Store } from '../store/store.ts';

const ringBytes = 16 * 1024 * 1024;
/** Lines of the past to begin with: some screens full, yet seconds over a serial line. */
const firstTail = 400;
/** The screen hears of new lines at most this often, whatever their rate. */
const frameMs = 80;
const searchSlice = 20_000;

/** Follows the log of one component into the store: through restarts, swaps and lost connections, without a gap. */
export class LogFollower {
  private readonly device: Device;
  private readonly store: Store<AppState>;
  private readonly color: boolean;
  private abort: AbortController | undefined;
  private frame: NodeJS.Timeout | undefined;

  constructor(device: Device, store: Store<AppState>, color: boolean) {
    this.device = device;
    this.store = store;
    this.color = color;
  }

  /** Starts following `name` from its newest lines. */
  open(name: string): void {
    this.close();
    const abort = new AbortController();
    this.abort = abort;
    const ring = new LogRing(ringBytes);
    this.store.set({ logs: { name, ring, view: initialLogView, status: 'connecting', version: 0 } });
    void this.follow(name, ring, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) this.status(ring, errorText(error));
    });
  }

  /** Stops following and forgets the lines. */
  close(): void {
    this.abort?.abort(new Error('the log was closed'));
    this.abort = undefined;
    clearTimeout(this.frame);
    this.frame = undefined;
    this.store.set({ logs: undefined });
  }

  /**
   * Carries the search on over what it has not looked at, a slice per turn of the event loop; then calls `finished`,
   * unless another search has taken its place.
   */
  search(finished?: () => void): void {
    const pane = this.store.get().logs;
    if (!pane?.search) return;
    const { search } = pane;
    const all = search.advance(searchSlice);
    this.store.set({ logs: { ...pane, version: pane.version + 1 } });
    if (all) finished?.();
    else setImmediate(() => this.store.get().logs?.search === search && this.search(finished));
  }

  private async follow(name: string, ring: LogRing, signal: AbortSignal): Promise<void> {
    const position: LogPosition = {};
    const pause = new Wakeup();
    let failures = 0;
    let broken: { at: number; connection: boolean } | undefined;
    for (;;) {
      await this.store.until((state) => state.connection.state === 'connected', signal);
      // A container that is said to run may still be the one that has ended: its first line tells.
      let unsaid = broken;
      const say = () => {
        if (unsaid) this.note(ring, resumption(name, unsaid));
        unsaid = undefined;
      };
      if (broken?.connection) say();
      const incarnation = this.incarnation(name);
      this.status(ring, 'following');
      const options = { follow: true, timestamps: true, signal, tail: firstTail, position };
      let problem = '';
      try {
        for await (const line of this.device.logs(name, options)) {
          failures = 0;
          say();
          this.append(ring, line);
        }
      } catch (error) {
        signal.throwIfAborted();
        problem = errorText(error);
      }
      const connected = this.store.get().connection.state === 'connected';
      const connection = problem !== '' || !connected;
      broken = unsaid && !connection ? unsaid : { at: Date.now(), connection };
      if (!connected) {
        this.status(ring, 'disconnected');
        continue;
      }
      // The log can end before we hear that its container has: say what is known, and again when more is.
      const tell = () => this.status(ring, problem || `the log has ended: ${name} is ${this.stateOf(name)}`);
      tell();
      const stop = this.store.subscribe(() => {
        tell();
        const changed = this.incarnation(name) !== incarnation;
        if (changed || this.store.get().connection.state !== 'connected') pause.wake();
      });
      try {
        await pause.wait(Math.min(60_000, 1000 * 2 ** failures++), signal);
        await this.store.until((now) => now.connection.state !== 'connected' || this.isAlive(name), signal);
      } finally {
        stop();
      }
    }
  }

  private stateOf(name: string): string {
    return this.store.get().components.find((row) => row.name === name)?.state ?? 'gone';
  }

  private isAlive(name: string): boolean {
    const state = this.stateOf(name);
    return state === 'running' || state === 'starting' || state === 'stopping';
  }

  /** Changes when the component is another container, or the same one started again. */
  private incarnation(name: string): string {
    const row = this.store.get().components.find((each) => each.name === name);
    return `${row?.id ?? ''} ${row?.startedAt ?? ''}`;
  }

  private append(ring: LogRing, line: LogLine): void {
    const text = sanitizeLine(line.text, { color: this.color });
    this.push(ring, { kind: line.stream, time: sanitizeLine(line.time ?? '', { color: false }), text });
  }

  private note(ring: LogRing, text: string): void {
    this.push(ring, { kind: 'note', time: '', text });
  }

  private push(ring: LogRing, entry: LogEntry): void {
    ring.append(entry);
    this.frame ??= setTimeout(() => {
      this.frame = undefined;
      const pane = this.store.get().logs;
      if (pane?.ring !== ring) return;
      if (pane.search) this.search();
      else this.store.set({ logs: { ...pane, version: pane.version + 1 } });
    }, frameMs);
  }

  private status(ring: LogRing, status: string): void {
    const pane = this.store.get().logs;
    if (pane?.ring === ring && pane.status !== status) this.store.set({ logs: { ...pane, status } });
  }
}

function resumption(name: string, broken: { at: number; connection: boolean }): string {
  if (!broken.connection) return `${name} again`;
  return `reconnected after ${formatDuration((Date.now() - broken.at) / 1000)}`;
}
