import { z } from 'zod';
import {
  type ComponentStatus,
  type DeviceInfo,
  type GarbageList,
  type ImageOffer,
  type RevisionList,
  revisionStates,
  type SwapEvent,
  type SwapPlan,
  swapActions,
  swapStages,
} from '../shared/api/types.ts';
import { swapStrategies } from '../shared/definition/component-config.ts';
import { componentKinds, digestSchema } from '../shared/definition/revision.ts';

/** What a device may answer. Fields that we do not know are dropped, so that a newer device can say more. */
const count = z.number().int().nonnegative();

export const deviceInfoSchema = z.object({
  hostname: z.string(),
  arch: z.enum(['amd64', 'arm64']),
  kernel: z.string(),
  distribution: z.string().optional(),
  image: z.object({ name: z.string(), id: z.string() }),
  bootId: z.string(),
  uptimeSeconds: z.number().nonnegative(),
  persistent: z.boolean(),
  revision: z.object({ number: count, digest: digestSchema }),
  init: z.object({
    version: z.string(),
    pid: count,
    startedAt: z.string(),
    residentBytes: z.number(),
    privateBytes: z.number(),
  }),
  cpus: count,
  memory: z.object({ totalBytes: z.number(), availableBytes: z.number() }),
  storage: z
    .object({
      totalBytes: count,
      freeBytes: count,
      reclaimableBytes: count,
      quarantinedBytes: count,
      damage: z.string().optional(),
    })
    .optional(),
  watchdog: z
    .object({ device: z.string(), timeoutSeconds: z.number(), feeding: z.boolean(), reason: z.string().optional() })
    .optional(),
}) satisfies z.ZodType<DeviceInfo>;

export const componentsSchema = z.array(
  z.object({
    name: z.string(),
    kind: z.enum(componentKinds),
    image: z.string(),
    digest: digestSchema,
    spec: digestSchema.optional(),
    beside: z.boolean().optional(),
    id: z.string().optional(),
    state: z.enum(['created', 'starting', 'running', 'stopping', 'exited', 'waiting', 'failed']),
    health: z.enum(['none', 'starting', 'healthy', 'unhealthy']),
    detail: z.string().optional(),
    pid: count.optional(),
    startedAt: z.string().optional(),
    uptimeSeconds: z.number().nonnegative().optional(),
    finishedAt: z.string().optional(),
    exitCode: z.number().int().optional(),
    restarts: count,
    cpu: z.object({ usageNs: z.number(), atNs: z.number() }).optional(),
    memoryBytes: z.number().optional(),
  }),
) satisfies z.ZodType<ComponentStatus[]>;

export const revisionListSchema = z.object({
  current: count,
  previous: count.optional(),
  revisions: z.array(
    z.object({
      number: count,
      digest: digestSchema,
      createdAt: z.string(),
      state: z.enum(revisionStates),
      factory: z.boolean(),
      reason: z.string(),
      changes: z.array(
        z.object({
          name: z.string(),
          from: z.string().optional(),
          to: z.string().optional(),
          fields: z.array(z.string()).optional(),
        }),
      ),
      failure: z.string().optional(),
    }),
  ),
}) satisfies z.ZodType<RevisionList>;

const missingLayers = z.array(
  z.object({ diffId: digestSchema, digest: digestSchema, size: count, mediaType: z.string() }),
);

export const imageOfferSchema = z.object({
  digest: digestSchema,
  missing: missingLayers,
  room: z.object({ needBytes: count, freeBytes: count, collectedBytes: count }).optional(),
}) satisfies z.ZodType<ImageOffer>;

export const garbageListSchema = z.object({
  items: z.array(
    z.object({
      kind: z.enum(['revision', 'image', 'layer', 'document', 'volume', 'upload']),
      name: z.string(),
      bytes: count,
    }),
  ),
  bytes: count,
}) satisfies z.ZodType<GarbageList>;

export const swapEventSchema = z.object({
  stage: z.enum(swapStages),
  component: z.string(),
  at: z.string(),
  message: z.string(),
  revision: count.optional(),
  downtimeMs: z.number().optional(),
}) satisfies z.ZodType<SwapEvent>;

export const swapPlanSchema = z.object({
  base: count,
  changes: z.array(
    z.object({
      name: z.string(),
      from: z.string(),
      to: z.string(),
      strategy: z.enum(swapStrategies),
      fields: z.array(z.string()),
    }),
  ),
  steps: z.array(z.object({ action: z.enum(swapActions), component: z.string().optional(), text: z.string() })),
  restarts: z.array(z.string()),
  send: z.array(z.object({ ref: z.string(), bytes: count, layers: count, missing: missingLayers.optional() })),
  frees: garbageListSchema,
  refused: z.string().optional(),
}) satisfies z.ZodType<SwapPlan>;

export const execCreatedSchema = z.object({ Id: z.string().regex(/^[0-9a-f]{1,64}$/, 'not an id') });

/** Docker's `GET /exec/{id}/json`. */
export const execStateSchema = z.object({ Running: z.boolean(), ExitCode: z.number().int().nullish() });

/** Docker's `GET /events`, one line. */
export const dockerEventSchema = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string().optional(), Attributes: z.record(z.string(), z.string()).default({}) }),
  // As much as a Date can say.
  time: z.number().min(0).max(8.64e12).optional(),
  timeNano: z.number().min(0).max(8.64e21).optional(),
});
