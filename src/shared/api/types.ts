import { z } from 'zod';
import type { ComponentKind } from '../definition/revision.ts';
import type { Digest } from '../oci/types.ts';

/**
 * `/gantry/v1/`: what the Docker Engine API has no words for. JSON bodies; errors are `{"message": "..."}` with an HTTP
 * status, as Docker's are; streams are one JSON object a line (`application/x-ndjson`). Times are RFC 3339 in UTC.
 */
export * from './storage.ts';
export * from './swap.ts';
export * from './upgrade.ts';

/** `GET /gantry/v1/device` */
export interface DeviceInfo {
  hostname: string;
  arch: 'amd64' | 'arm64';
  kernel: string;
  /** Name of the distribution that Gantry runs on top of; absent on a device of its own. */
  distribution?: string;
  /** Name and id of the composed image. */
  image: { name: string; id: string };
  /** From /proc/sys/kernel/random/boot_id: changes at each boot. */
  bootId: string;
  uptimeSeconds: number;
  /** Whether revisions outlive a power-off. */
  persistent: boolean;
  revision: { number: number; digest: Digest };
  /** `privateBytes`: what the kernel cannot drop: pages of its own, not those of its program file. */
  init: { version: string; pid: number; startedAt: string; residentBytes: number; privateBytes: number };
  cpus: number;
  memory: { totalBytes: number; availableBytes: number };
  /** Not from a device of an older version. */
  storage?: StorageInfo;
  /** Absent when the device has none. */
  watchdog?: WatchdogStatus;
}

/** Of the file system that revisions and images are kept on: the data partition, or memory where there is none. */
export interface StorageInfo {
  totalBytes: number;
  freeBytes: number;
  /** What `POST /gantry/v1/gc` would free. */
  reclaimableBytes: number;
  /** What was found damaged, or belonged to another image, and is kept for a person to look at. */
  quarantinedBytes: number;
  /** What this start found damaged or not to work, and went back from, for people. */
  damage?: string;
}

/** What restarts the device when nothing else can. */
export interface WatchdogStatus {
  /** `/dev/watchdog0` */
  device: string;
  timeoutSeconds: number;
  /** Whether it is being told that all is well; else the device restarts when the time is over. */
  feeding: boolean;
  /** Why it is not. */
  reason?: string;
}

export type ComponentState = 'created' | 'starting' | 'running' | 'stopping' | 'exited' | 'waiting' | 'failed';
export type Health = 'none' | 'starting' | 'healthy' | 'unhealthy';

/** `GET /gantry/v1/components`: one element per component, in the order of the OS definition. */
export interface ComponentStatus {
  name: string;
  kind: ComponentKind;
  /** `web:1` */
  image: string;
  digest: Digest;
  /** Digest over image and configuration of the container that there is, as `specKey` makes it. */
  spec?: Digest;
  /** A swap runs a second instance of it; all that is said here is about the new one. */
  beside?: boolean;
  /** Docker's container id; only for system containers. */
  id?: string;
  /** `kernel`, `base` and `init` are `running`, or `failed` when the device started another one in their place. */
  state: ComponentState;
  health: Health;
  /** Why it is in this state, for people: "restarting in 2 s after exit code 1". */
  detail?: string;
  pid?: number;
  startedAt?: string;
  /** How long it has been running by the device's own count: its clock may be wrong, and may be set meanwhile. Whole seconds. */
  uptimeSeconds?: number;
  finishedAt?: string;
  exitCode?: number;
  /** Restarts by the supervisor since boot, not counting those a person asked for. */
  restarts: number;
  /** Cumulative CPU time and the moment it was read (monotonic, to the millisecond), both in nanoseconds: two readings give a percentage. */
  cpu?: { usageNs: number; atNs: number };
  memoryBytes?: number;
}

/**
 * `available`: was in force. `refused`: failed, and is not taken again without `retry`. `failed`: could not be put in
 * force. `interrupted`: the swap to it was cut short. `trying`: the swap to it is under way. `collected`: its content was
 * removed to make room; it cannot be gone back to.
 */
export type RevisionState =
  | 'current'
  | 'previous'
  | 'available'
  | 'refused'
  | 'failed'
  | 'interrupted'
  | 'trying'
  | 'collected';
export const revisionStates = [
  'current',
  'previous',
  'available',
  'refused',
  'failed',
  'interrupted',
  'trying',
  'collected',
] as const satisfies RevisionState[];

export interface RevisionSummary {
  number: number;
  digest: Digest;
  createdAt: string;
  state: RevisionState;
  factory: boolean;
  /** What made it: "factory", "swap web", "rollback web". */
  reason: string;
  /** Against the revision it was made from; `fields`: the settings that differ. */
  changes: { name: string; from?: string; to?: string; fields?: string[] }[];
  /** Why it was rolled back, or what of it was found damaged. */
  failure?: string;
}

/** `GET /gantry/v1/revisions`, newest first. `GET /gantry/v1/revisions/{number}` gives the whole `Revision`. */
export interface RevisionList {
  current: number;
  previous?: number;
  revisions: RevisionSummary[];
}

/** `POST /gantry/v1/power` */
export const powerRequestSchema = z.strictObject({ action: z.enum(['reboot', 'poweroff']) });

/**
 * `POST /gantry/v1/exec`: as Docker's `POST /containers/{id}/exec`, but in the device's own namespaces; the answer's Id
 * is used with Docker's `/exec/{id}/start`, `/resize` and `/json`. An empty `Cmd` is a login shell.
 */
export const deviceExecSchema = z.object({
  Cmd: z.array(z.string()).default([]),
  Tty: z.boolean().default(false),
  AttachStdin: z.boolean().default(false),
  AttachStdout: z.boolean().default(true),
  AttachStderr: z.boolean().default(true),
  Env: z.array(z.string()).nullish(),
  ConsoleSize: z.tuple([z.number(), z.number()]).nullish(),
});
