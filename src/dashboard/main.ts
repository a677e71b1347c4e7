import type { Device } from '../device/device.ts';
import { followEvents } from '../device/readings/follow-events.ts';
import { Sampler } from '../device/readings/sampler.ts';
import { errorText } from '../tui/errors.ts';
import { guardExits } from '../tui/terminal/exit-guard.ts';
import { StderrHold } from '../tui/terminal/stderr-hold.ts';
import { DashboardScreen } from './screen.ts';
import { type DashboardState, initialState, withConnection, withEvent, withInfo, withReading } from './state.ts';

/** A device that reports without pause must not keep us drawing without pause. */
const drawIntervalMs = 100;

export interface DashboardOptions {
  /** Called once when a signal or an error ends the process; waited for. The terminal is as it was before. */
  onExit?: () => Promise<void>;
}

/**
 * Live charts of `device`, until the person leaves them. The terminal is given back on every way out; on a signal the
 * process ends with 128 + its number. Must be the only one that draws in this process: Ink and blessed break each other.
 * Rejects when it cannot draw. The device stays open: it is the caller's.
 */
export async function runDashboard(device: Device, options: DashboardOptions = {}): Promise<void> {
  const color = (process.env.NO_COLOR ?? '') === '';
  const abort = new AbortController();
  const { signal } = abort;
  const left = Promise.withResolvers<void>();
  const stderr = new StderrHold();
  let screen: DashboardScreen | undefined;
  let timer: NodeJS.Timeout | undefined;
  let state = initialState(device, Date.now());

  const draw = () => {
    timer = undefined;
    try {
      screen?.draw(state);
    } catch (error) {
      left.reject(error);
    }
  };
  const set = (next: DashboardState) => {
    state = next;
    timer ??= setTimeout(draw, drawIntervalMs);
  };
  const sampler = new Sampler(device, {
    onComponents: (reading) => set(withReading(state, reading, Date.now())),
    onInfo: (info) => set(withInfo(state, info, Date.now())),
    onError: (error) => set({ ...state, error: errorText(error) }),
  });
  const restore = () => {
    screen?.restore();
    stderr.release();
  };
  const guard = guardExits(restore, async () => options.onExit?.());
  const unsubscribe = device.connection.subscribe((connection) => {
    set(withConnection(state, connection, Date.now()));
    if (connection.state === 'connected') sampler.refresh(true);
  });
  let sources: Promise<void>[] = [];
  try {
    stderr.hold();
    screen = new DashboardScreen(color, { resize: draw, leave: left.resolve });
    draw();
    const onEvent: Parameters<typeof followEvents>[1] = (event) => {
      set(withEvent(state, event, Date.now()));
      sampler.refresh();
    };
    sources = [sampler.run(signal), followEvents(device, onEvent, signal)];
    for (const source of sources) source.catch(left.reject);
    await left.promise;
  } finally {
    abort.abort(new Error('the dashboard was left'));
    clearTimeout(timer);
    unsubscribe();
    restore();
    guard.remove();
    await Promise.allSettled(sources);
  }
}
