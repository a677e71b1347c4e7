import { z } from 'zod';
import { digestSchema } from '../definition/revision.ts';
import type { Digest } from '../oci/types.ts';

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
    /** What was collected just now to make room. */
    collectedBytes: number;
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
