import type { ConnectionState } from '../../device/device.ts';
import type { ComponentRow } from '../../device/readings/component-rows.ts';
import type { DeviceInfo, RevisionList } from '../../shared/api/types.ts';
import type { LogRing } from './log-ring.ts';
import type { LogSearch } from './log-search.ts';
import type { LogView } from './log-view.ts';
import type { SwapProgress } from './swap-progress.ts';
import type { TextField } from './text-field.ts';

export type ScreenName = 'components' | 'logs' | 'inspect' | 'revisions' | 'swap' | 'rollback' | 'progress' | 'help';

/** A question that takes all keys until it is answered. The first choice is the default and does nothing. */
export interface Dialog {
  title: string;
  lines: string[];
  choices: { label: string; run?: () => void }[];
  selected: number;
}

export interface Toast {
  id: number;
  kind: 'info' | 'error';
  text: string;
}

export interface LogPane {
  name: string;
  ring: LogRing;
  view: LogView;
  search?: LogSearch;
  /** The match that `n` and `N` start from. */
  match?: number;
  /** Being typed. */
  query?: TextField;
  /** "following", "web has stopped; waiting". */
  status: string;
  /** Counts what was appended, so that a change is seen. */
  version: number;
}

/** Scrollable text: a document of `inspect`, the help. */
export interface Document {
  title: string;
  lines: string[];
  top: number;
}

/** The choice of an image to swap to. */
export interface SwapForm {
  component: string;
  current: string;
  field: TextField;
  choices: { ref: string; note: string; refused?: string }[];
  /** Index in `choices`; -1 = the text field. */
  choice: number;
}

/** What `b` is about to do, until its name was typed. */
export interface RollbackForm {
  targets: { label: string; word: string; changes: string[]; name?: string; revision?: number; unavailable?: string }[];
  selected: number;
  field: TextField;
}

/** A swap or a rollback that runs or has ended. */
export interface RunningSwap {
  title: string;
  progress: SwapProgress;
}

export interface AppState {
  deviceName: string;
  connection: ConnectionState;
  info?: DeviceInfo;
  /** When `info` came (host clock, milliseconds). */
  infoAt: number;
  components: ComponentRow[];
  /** Whether a first reading has come. */
  loaded: boolean;
  /** Why the last reading failed. */
  loadError?: string;
  selected?: string;
  /** The last one is shown; the first is always `components`. */
  screens: ScreenName[];
  dialog?: Dialog;
  toasts: Toast[];
  /** What is being opened ("a shell in web"): keys typed meanwhile are meant for it, not for the UI. */
  opening?: string;
  /** Component → what is being done to it ("restarting"). */
  busy: Record<string, string>;
  logs?: LogPane;
  inspect?: Document;
  help: Document;
  revisions: { list?: RevisionList; error?: string; selected: number };
  /** Component → images that were swapped in or tried in this session, newest first. */
  imageHistory: Record<string, string[]>;
  swapForm?: SwapForm;
  rollbackForm?: RollbackForm;
  running?: RunningSwap;
  size: { columns: number; rows: number };
  /** Host clock, milliseconds; drives uptimes and elapsed times. */
  now: number;
}

export function initialState(deviceName: string, connection: ConnectionState, help: string[], now: number): AppState {
  return {
    deviceName,
    connection,
    infoAt: now,
    components: [],
    loaded: false,
    screens: ['components'],
    toasts: [],
    busy: {},
    help: { title: 'help', lines: help, top: 0 },
    revisions: { selected: 0 },
    imageHistory: {},
    size: { columns: 80, rows: 24 },
    now,
  };
}

export function currentScreen(state: AppState): ScreenName {
  return state.screens.at(-1) ?? 'components';
}

export function selectedComponent(state: AppState): ComponentRow | undefined {
  return state.components.find((row) => row.name === state.selected);
}

/** Whether what is shown may be out of date. */
export function isStale(state: AppState): boolean {
  return state.connection.state !== 'connected';
}

/** The screen on top of the others; one that is already open is brought back, not opened twice. */
export function openScreen(state: AppState, screen: ScreenName): Pick<AppState, 'screens'> {
  return { screens: [...state.screens.filter((open) => open !== screen), screen] };
}

export function closeScreen(state: AppState): Pick<AppState, 'screens'> {
  return { screens: state.screens.length > 1 ? state.screens.slice(0, -1) : state.screens };
}
