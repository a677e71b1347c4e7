import { z } from 'zod';
import { type ComponentKind, componentName, digestSchema } from '../definition/revision.ts';
import type { Digest } from '../oci/types.ts';

/**
 * `/gantry/v1/`: what the Docker Engine API has no words for. JSON bodies; errors are `{"message": "..."}` with an HTTP
 * status, as Docker's are; streams are one JSON object a line (`application/x-ndjson`). Times are RFC 3339 in UTC.
 */

/** `GET /gantry/v1/device` */
export interface DeviceInfo {
  hostname: string;
  arch: 'amd64' | 'arm64';
  kernel: string;
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
  /** Docker's container id; only for system containers. */
  id?: string;
  /** A swap has started this container beside the old one, which still answers for the component's name. */
  beside?: true;
  /** `kernel` and `base` are always `running`. */
  state: ComponentState;
  health: Health;
  /** Why it is in this state, for people: "restarting in 2 s after exit code 1". */
  detail?: string;
  pid?: number;
  startedAt?: string;
  finishedAt?: string;
  exitCode?: number;
  /** Restarts by the supervisor since boot, not counting those a person asked for. */
  restarts: number;
  /** Cumulative CPU time and the moment it was read (monotonic), both in nanoseconds: two readings give a percentage. */
  cpu?: { usageNs: number; atNs: number };
  memoryBytes?: number;
}

export interface RevisionSummary {
  number: number;
  digest: Digest;
  createdAt: string;
  /** `refused`: rolled back, will not be taken again unless someone insists. */
  state: 'current' | 'previous' | 'available' | 'refused';
  factory: boolean;
  /** What made it: "factory", "swap web", "rollback web". */
  reason: string;
  /** Against the revision it was made from. */
  changes: { name: string; from?: string; to?: string }[];
  /** Why it was rolled back. */
  failure?: string;
}

/** `GET /gantry/v1/revisions`, newest first. `GET /gantry/v1/revisions/{number}` gives the whole `Revision`. */
export interface RevisionList {
  current: number;
  previous?: number;
  revisions: RevisionSummary[];
}

/**
 * `POST /gantry/v1/images`: announces an image. `manifest` and `config` are the exact bytes as text, checked against
 * their digests. Answer: `ImageOffer`. Then each missing layer is sent with `PUT /gantry/v1/layers/{diffId}`, body = the
 * blob as stored (Content-Type = its media type, `X-Gantry-Digest` = its digest); both digests are checked, 400 if wrong.
 */
export const announceImageSchema = z.strictObject({
  ref: z.string().min(1).max(512),
  digest: digestSchema,
  manifest: z.string(),
  config: z.string(),
});
export type AnnounceImage = z.infer<typeof announceImageSchema>;

export interface ImageOffer {
  digest: Digest;
  /** What the device lacks; empty when the image can be swapped in at once. */
  missing: { diffId: Digest; digest: Digest; size: number; mediaType: string }[];
}

/**
 * `POST /gantry/v1/swap`: stream of `SwapEvent`. The device carries the swap out by itself: a connection that breaks
 * does not stop it. `GET /gantry/v1/swap` replays the events of the newest swap and follows it to its end.
 */
export const swapRequestSchema = z.strictObject({
  name: componentName,
  ref: z.string().min(1).max(512),
  digest: digestSchema,
  /** Take an image that was rolled back before. */
  insist: z.boolean().default(false),
});
export type SwapRequest = z.input<typeof swapRequestSchema>;

/** `POST /gantry/v1/rollback`: stream of `SwapEvent`. Nothing given = the previous revision. */
export const rollbackRequestSchema = z.strictObject({
  /** Only this component, to the image it had in the previous revision that differs. */
  name: componentName.optional(),
  revision: z.number().int().nonnegative().optional(),
});
export type RollbackRequest = z.input<typeof rollbackRequestSchema>;

export type SwapStage = 'stage' | 'stop' | 'start' | 'probe' | 'commit' | 'rollback' | 'done' | 'failed';

/** `done` and `failed` end the stream. `failed` means: the device runs what it ran before. */
export interface SwapEvent {
  stage: SwapStage;
  component: string;
  at: string;
  message: string;
  /** On `done` and `failed`: the revision in force. */
  revision?: number;
  /** On `done`: milliseconds from the old one's stop to the new one's health. */
  downtimeMs?: number;
  /** On host-side `stage` events: bytes sent so far and to send. */
  progress?: { done: number; total: number };
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
