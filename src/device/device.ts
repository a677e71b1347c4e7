import type { Duplex, Readable } from 'node:stream';
import type {
  ComponentStatus,
  DeviceInfo,
  GarbageList,
  RevisionList,
  RollbackRequest,
  SwapEvent,
  SwapPlan,
  UpgradeStatus,
} from '../shared/api/types.ts';
import type { Revision } from '../shared/definition/revision.ts';
import type { ConfigChange } from './config-change.ts';
import type { UpgradePlan } from './upgrade/plan.ts';
import type { UpgradeProgress } from './upgrade.ts';

/** What every person's view (CLI, terminal UI) knows of a device. Every text in it has been sanitised. */
export interface Device {
  /** How the person named it. */
  readonly name: string;
  readonly connection: ConnectionWatch;

  info(): Promise<DeviceInfo>;
  components(): Promise<ComponentStatus[]>;
  /** Docker's inspect of one system container, as plain JSON. Unknown name: `UnknownComponentError` with nearest names. */
  inspect(name: string): Promise<Record<string, unknown>>;
  revisions(): Promise<RevisionList>;
  revision(number: number): Promise<Revision>;

  start(name: string): Promise<void>;
  stop(name: string): Promise<void>;
  restart(name: string): Promise<void>;

  /**
   * The log of a system container, also of one that is no more, of the init container, or of the kernel. Ends when the log
   * does, or when `signal` aborts. With `follow` it goes on over restarts and lost connections, each line once.
   */
  logs(name: string, options?: LogOptions): AsyncIterable<LogLine>;
  /** State changes on the device, until `signal` aborts. Throws when the connection breaks. */
  events(signal: AbortSignal): AsyncIterable<DeviceEvent>;

  /** A process in a system container. */
  exec(name: string, options: ExecOptions): Promise<Session>;
  /** A process in the device's own namespaces; an empty command is a login shell. */
  shell(options: ExecOptions): Promise<Session>;

  /**
   * Sends what the device lacks of the images, then swaps all or nothing. Yields host-side `stage` events with progress,
   * then the device's own. When the connection breaks after the swap began, it reconnects and follows it to its end.
   */
  swap(orders: readonly SwapOrder[], options?: SwapOptions): AsyncIterable<SwapEvent>;
  /** What `swap` would do. Nothing is sent or changed. */
  planSwap(orders: readonly SwapOrder[], options?: Omit<SwapOptions, 'retry'>): Promise<SwapPlan>;
  /** Images that `swap` could take for this component without a registry: built on this host, of the same repository. */
  imagesAtHand(name: string): Promise<string[]>;
  rollback(request: RollbackRequest): AsyncIterable<SwapEvent>;
  /** Removes what the device does not need any more; `dryRun`: only says what that is. */
  collectGarbage(dryRun: boolean): Promise<GarbageList>;
  /** What `upgrade` would send. */
  planUpgrade(dir: string, options?: { signal?: AbortSignal }): Promise<UpgradePlan>;
  /** Sends what differs of a composed image and restarts the device into it; the last value says whether the device kept it. */
  upgrade(dir: string, options?: { signal?: AbortSignal }): AsyncGenerator<UpgradeProgress, UpgradeStatus>;
  /** What became of the newest whole image that was sent; undefined when there never was one. */
  upgradeStatus(): Promise<UpgradeStatus | undefined>;
  power(action: 'reboot' | 'poweroff'): Promise<void>;

  /** A raw stream to the device's API socket. */
  dial(): Promise<Duplex>;
  close(): Promise<void>;
}

/** What is to become of one component. */
export interface SwapOrder {
  name: string;
  /** Where its new image is; without one the image stays. */
  image?: string;
  config?: ConfigChange;
}

export interface SwapOptions {
  /** Take an image or a configuration that failed before. */
  retry?: boolean;
  /** How long all must stay healthy (`500ms`), instead of what their definitions say. */
  stable?: string | undefined;
  signal?: AbortSignal;
}

export type ConnectionState =
  | { state: 'connecting'; detail: string }
  | { state: 'connected' }
  | { state: 'reconnecting'; detail: string; attempt: number }
  | { state: 'closed'; detail: string };

export interface ConnectionWatch {
  readonly current: ConnectionState;
  /** Calls back on each change; returns how to stop. */
  subscribe(listener: (state: ConnectionState) => void): () => void;
}

export interface LogOptions {
  follow?: boolean;
  /** Last lines; all if absent. */
  tail?: number;
  timestamps?: boolean;
  /** Seconds since the epoch. */
  since?: number;
  signal?: AbortSignal;
  /**
   * Kept up to date with each line. When the connection breaks, the reading fails; another one with the same position goes on
   * exactly there. Without it, a followed log does that by itself.
   */
  position?: LogPosition;
}

/** Where a reading of a log is; a new one begins with `{}`. */
export interface LogPosition {
  /** The device's word for a place in the log. */
  cursor?: string;
  /** Lines that came after that place. */
  linesSince?: number;
}

export interface LogLine {
  stream: 'stdout' | 'stderr';
  /** RFC 3339 with nanoseconds; only with `timestamps`. */
  time?: string;
  /** Without its newline, sanitised. */
  text: string;
}

export interface DeviceEvent {
  time: string;
  type: string;
  action: string;
  component: string;
}

export interface ExecOptions {
  command: string[];
  tty: boolean;
  env?: string[];
  size?: { columns: number; rows: number };
}

/** A running process. With a tty, `stdout` carries everything and the bytes are raw (the one place they are). */
export interface Session {
  stdin: NodeJS.WritableStream;
  stdout: Readable;
  stderr: Readable;
  resize(columns: number, rows: number): Promise<void>;
  /** Resolves when the process has ended and its output was read. */
  exitCode: Promise<number>;
  close(): void;
}
