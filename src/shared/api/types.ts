import { z } from 'zod';
import { componentConfigSchema, type SwapStrategy } from '../definition/component-config.ts';
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
  /** What this start found damaged, for people. */
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
  /** `kernel` and `base` are always `running`. */
  state: ComponentState;
  health: Health;
  /** Why it is in this state, for people: "restarting in 2 s after exit code 1". */
  detail?: string;
  pid?: number;
  startedAt?: string;
  /** How long it has been running by the device's own count: its clock may be wrong, and may be set meanwhile. */
  uptimeSeconds?: number;
  finishedAt?: string;
  exitCode?: number;
  /** Restarts by the supervisor since boot, not counting those a person asked for. */
  restarts: number;
  /** Cumulative CPU time and the moment it was read (monotonic), both in nanoseconds: two readings give a percentage. */
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
  /** The room for it. What it needs is estimated: layers are unpacked on the device. */
  room?: {
    needBytes: number;
    freeBytes: number;
    /** What was collected just now to make room, and what could be besides. */
    collectedBytes: number;
    reclaimableBytes: number;
  };
}

/**
 * `POST /gantry/v1/gc`: removes what nothing needs. The factory, the current and the previous revision stay, what runs
 * stays, and so does what is quarantined. Answer: `GarbageList`.
 */
export const gcRequestSchema = z.strictObject({
  /** Only say what would go. */
  dryRun: z.boolean().default(false),
});

export interface GarbageItem {
  /** `document`: part of an image that is not known any more. `volume`: of a revision that is gone. */
  kind: 'revision' | 'image' | 'layer' | 'document' | 'volume';
  name: string;
  /** What the disk gets back: what is shared counts once, where it goes with the last that needs it. */
  bytes: number;
}

export interface GarbageList {
  items: GarbageItem[];
  bytes: number;
}

/** What is to become of one component: another image, another configuration, or both. */
export const swapChangeSchema = z
  .strictObject({
    name: componentName,
    image: z.strictObject({ ref: z.string().min(1).max(512), digest: digestSchema }).optional(),
    /** What the definition says of it from now on: replaces what it said before. */
    config: componentConfigSchema.optional(),
  })
  .refine(({ image, config }) => image !== undefined || config !== undefined, 'neither image nor config');

export type SwapChange = z.output<typeof swapChangeSchema>;

const changes = z
  .array(swapChangeSchema)
  .min(1)
  .max(64)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'one component twice');

/**
 * `POST /gantry/v1/swap`: stream of `SwapEvent`. All changes or none. The device carries the swap out by itself: a
 * connection that breaks does not stop it. `GET /gantry/v1/swap` replays the events of the newest swap and follows it to
 * its end.
 */
export const swapRequestSchema = z.strictObject({
  changes,
  /** Take an image or a configuration that failed before. */
  retry: z.boolean().default(false),
});
export type SwapRequest = z.input<typeof swapRequestSchema>;

/** `POST /gantry/v1/swap/plan`: what a swap would do, as `SwapPlan`. Nothing is sent or changed. */
export const swapPlanRequestSchema = z.strictObject({
  changes,
  /** Documents of images that the device need not have. */
  images: z.array(announceImageSchema).max(64).default([]),
});
export type SwapPlanRequest = z.input<typeof swapPlanRequestSchema>;

/** One step of a swap; they are planned anew after each. */
export interface PlannedStep {
  action: SwapAction;
  component?: string;
  /** For people: "stop web". */
  text: string;
}

export interface SwapPlan {
  /** Number of the revision it would start from. */
  base: number;
  changes: { name: string; from: string; to: string; strategy: SwapStrategy; fields: string[] }[];
  /** In order. Empty when the device already is as wanted. */
  steps: PlannedStep[];
  /** Components whose running container would be replaced by another. */
  restarts: string[];
  /** What would be sent, for each image that is not whole on the device. */
  send: { ref: string; bytes: number; layers: number }[];
  /** What the device would remove to make room for that. */
  frees: GarbageList;
  /** Why the device would not take it without `retry`. */
  refused?: string;
}

/** `POST /gantry/v1/rollback`: stream of `SwapEvent`. Nothing given = the previous revision. */
export const rollbackRequestSchema = z.strictObject({
  /** Only this component, to what it was in the newest former revision where it differs. */
  name: componentName.optional(),
  revision: z.number().int().nonnegative().optional(),
});
export type RollbackRequest = z.input<typeof rollbackRequestSchema>;

/** What the planner on the device can say: see init-container/swap/planner.ts. */
export type SwapAction =
  | 'stage'
  | 'prepare'
  | 'copy'
  | 'stop'
  | 'start'
  | 'start-beside'
  | 'probe'
  | 'settle'
  | 'apply'
  | 'restart'
  | 'verify'
  | 'stable'
  | 'commit';
export const swapActions = [
  'stage',
  'prepare',
  'copy',
  'stop',
  'start',
  'start-beside',
  'probe',
  'settle',
  'apply',
  'restart',
  'verify',
  'stable',
  'commit',
] as const satisfies SwapAction[];

/** `stable`: all stay healthy for a while. `apply`, `restart`: of what is no container. */
export type SwapStage =
  | 'stage'
  | 'stop'
  | 'copy'
  | 'start'
  | 'probe'
  | 'apply'
  | 'restart'
  | 'stable'
  | 'commit'
  | 'rollback'
  | 'done'
  | 'failed';
export const swapStages = [
  'stage',
  'stop',
  'copy',
  'start',
  'probe',
  'apply',
  'restart',
  'stable',
  'commit',
  'rollback',
  'done',
  'failed',
] as const satisfies SwapStage[];

/** `done` and `failed` end the stream. `failed` means: the device runs what it ran before. */
export interface SwapEvent {
  stage: SwapStage;
  component: string;
  at: string;
  message: string;
  /** On `done` and `failed`: the revision in force. */
  revision?: number;
  /** On `done`: milliseconds from the first stop to the last new one's health; absent when nothing was away. */
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

/**
 * `PUT /gantry/v1/upgrade?image=…`: a whole image for the slot not in use, described by this as JSON in the query; the body
 * is its files, one after the other in this order. Nothing starts it yet. `POST /gantry/v1/upgrade` with its `UpgradeRequest`
 * restarts the device into it: it is kept when everything in it becomes healthy, else the device goes back by itself.
 */
export const upgradeImageSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{8,64}$/, 'not the id of an image'),
  name: z.string().min(1).max(128),
  arch: z.enum(['amd64', 'arm64']),
  board: z.string().min(1).max(64),
  cmdline: z
    .string()
    .max(2000)
    .regex(/^[^\n\0]*$/, 'not a kernel command line'),
  files: z.tuple([
    z.strictObject({ name: z.literal('kernel'), size: z.number().int().positive(), digest: digestSchema }),
    z.strictObject({ name: z.literal('initrd.img'), size: z.number().int().positive(), digest: digestSchema }),
    z.strictObject({ name: z.literal('root.img'), size: z.number().int().positive(), digest: digestSchema }),
  ]),
});
export type UpgradeImage = z.infer<typeof upgradeImageSchema>;

export const upgradeRequestSchema = z.strictObject({ id: z.string() });

/** `GET /gantry/v1/upgrade`: the newest one. 404 when there never was one. */
export const upgradeStatusSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  /** `written`: in its slot. `trying`: it runs, or is about to. `kept`: it starts at each boot. `failed`: another runs. */
  state: z.enum(['written', 'trying', 'kept', 'failed']),
  /** Why it failed. */
  detail: z.string().optional(),
});
export type UpgradeStatus = z.infer<typeof upgradeStatusSchema>;
