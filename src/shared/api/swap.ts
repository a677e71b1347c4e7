import { z } from 'zod';
import { componentConfigSchema, durationSchema, type SwapStrategy } from '../definition/component-config.ts';
import { componentName, digestSchema } from '../definition/revision.ts';
import type { Digest } from '../oci/types.ts';
import { announceImageSchema, type GarbageList, type ImageOffer } from './storage.ts';

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

/**
 * How long all must stay healthy before the commit, instead of what definitions say. Whoever goes on with a swap that needs a
 * restart or a reboot keeps to the definitions.
 */
const stable = durationSchema.optional();

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
  stable,
});
export type SwapRequest = z.input<typeof swapRequestSchema>;

/** `POST /gantry/v1/swap/plan`: what a swap would do, as `SwapPlan`. Nothing is sent or changed. */
export const swapPlanRequestSchema = z.strictObject({
  changes,
  /** Documents of images that the device need not have. */
  images: z.array(announceImageSchema).max(64).default([]),
  stable,
});
export type SwapPlanRequest = z.input<typeof swapPlanRequestSchema>;

/** One step of a swap; they are planned anew after each. */
export interface PlannedStep {
  action: SwapAction;
  component?: string;
  /** For people: "stop web". */
  text: string;
}

/** How fast a device is sent to. `known`: by the speed of the line. */
export interface TransferRate {
  bytesPerSecond: number;
  how: 'known' | 'measured' | 'guessed';
}

/** One layer that travels. */
export interface TransferPart {
  component: string;
  ref: string;
  /** The layer. */
  diffId: Digest;
  /** `difference`: against what the device has. `whole`: the layer's blob as it is stored. */
  method: 'difference' | 'whole';
  bytes: number;
  /** Of the layer's blob as it is stored. */
  wholeBytes: number;
  /** Files whose content the device has nowhere; absent where the host has not looked into the layer. */
  files?: number;
}

/** What a swap sends. Worked out by the host, never by a device. */
export interface TransferPlan {
  bytes: number;
  seconds: number;
  rate: TransferRate;
  parts: TransferPart[];
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
  send: { ref: string; bytes: number; layers: number; missing?: ImageOffer['missing'] }[];
  /** What of it really travels, and how. */
  transfer?: TransferPlan;
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
  /** On events of the host itself: it sends images, and has not ordered the swap yet. Never from a device. */
  sending?: true;
  /** With `sending`: bytes sent so far and to send, at which rate, and how long the rest takes at that. */
  progress?: { done: number; total: number; bytesPerSecond?: number; secondsLeft?: number };
  /** With `sending`: what will travel. Once, and again should the device have forgotten what it had. */
  transfer?: TransferPlan;
}
