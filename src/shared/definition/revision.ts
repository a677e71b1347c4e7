import { z } from 'zod';
import { canonicalJson } from '../canonical-json.ts';
import { digestOf, isDigest } from '../oci/digest.ts';
import type { Digest } from '../oci/types.ts';
import { componentConfigSchema } from './component-config.ts';

export const digestSchema = z.string().refine(isDigest, 'not a sha256 digest') as unknown as z.ZodType<Digest>;

/** Names of components: what LinuxKit and crun both accept. */
export const componentName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'not a component name (a-z, 0-9, _ and -)');

/**
 * `kernel`: kernel and modules. `base`: unpacked into the root image (LinuxKit's `init`). `init`: the init container.
 * The others are system containers, as LinuxKit's lists of these names.
 */
export const componentKinds = ['kernel', 'base', 'init', 'onboot', 'service', 'onshutdown'] as const;
export type ComponentKind = (typeof componentKinds)[number];

export const componentSpecSchema = z.strictObject({
  kind: z.enum(componentKinds),
  image: z.strictObject({
    /** What a person calls it, e.g. `web:1`. */
    ref: z.string().min(1).max(512),
    /** Digest of the image's manifest: what is really run. */
    digest: digestSchema,
  }),
  /** Position in its list of the OS definition; `onboot` runs in this order. */
  order: z.number().int().nonnegative(),
  config: componentConfigSchema,
});
export type ComponentSpec = z.infer<typeof componentSpecSchema>;

/**
 * How long a volume's data lives. `permanent`: as long as the data partition. `revision`: it belongs to the revision of the
 * components that use it, so that a rollback brings it back. `boot`: until power-off.
 */
export const persistences = ['permanent', 'revision', 'boot'] as const;
export type Persistence = (typeof persistences)[number];

export const volumeSpecSchema = z.strictObject({ persistence: z.enum(persistences) });

/** An immutable description of everything that should run. Its digest is its identity; numbers are for people. */
export const revisionSchema = z.strictObject({
  schema: z.literal(1),
  components: z.record(componentName, componentSpecSchema),
  /** By name. A component uses one with a bind `NAME:/path`, as in LinuxKit. */
  volumes: z.record(componentName, volumeSpecSchema).optional(),
});
export type Revision = z.infer<typeof revisionSchema>;

export function revisionDigest(revision: Revision): Digest {
  return digestOf(canonicalJson(revision));
}
