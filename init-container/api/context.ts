import type { Volumes } from '../engine/volumes.ts';
import type { LogWatcher } from '../logs/watcher.ts';
import type { ImageStore } from '../store/types.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import type { ExecSessions } from './exec-sessions.ts';

/** What the handlers of the Docker Engine API work on. */
export interface ApiContext {
  supervisor: ContainerSupervisor;
  store: ImageStore;
  volumes: Volumes;
  sessions: ExecSessions;
  logs: LogWatcher;
  /** Version of Gantry on this device. */
  version: string;
}
