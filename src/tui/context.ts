import type { Device } from '../device/device.ts';
import type { LogFollower } from './sources/log-follower.ts';
import type { AppState, Toast } from './store/state.ts';
import type { Store } from './store/store.ts';

/** What actions and flows work with. Made once per `runTui`; outlives the screen while a shell has the terminal. */
export interface Context {
  device: Device;
  store: Store<AppState>;
  logs: LogFollower;
  /** False with NO_COLOR: then no colour reaches the terminal, log text included. */
  color: boolean;
  toast(kind: Toast['kind'], text: string): void;
  /** Asks for a new reading of the components soon; `everything`: of the device too. */
  refresh(everything?: boolean): void;
  /** Takes the UI off the terminal, runs `run`, and brings the UI back as it was. */
  handOver(run: () => Promise<void>): Promise<void>;
  /** Job control: gives the terminal back to the shell that started us. */
  suspend(): void;
  quit(): void;
}
