import { z } from 'zod';
import { digestSchema } from '../definition/revision.ts';
import type { Digest } from '../oci/types.ts';

/**
 * `POST /gantry/v1/images`: announces an image. `manifest` and `config` are the exact bytes as text, checked against
 * their digests. Answer: `ImageOffer`. Then each missing layer is sent with `PUT /gantry/v1/layers/{diffId}`, body = the
 * blob as stored (Content-Type = its media type, `X-Gantry-Digest` = its digest); both digests are checked, 400 if wrong.
 */
export const announceImageSchema = z
  .strictObject({
    ref: z.string().min(1).max(512),
    digest: digestSchema,
    manifest: z.string().optional(),
    config: z.string().optional(),
    /** An image that the device has, and the documents as a difference to its (`packDocuments`); 422 when it has not. */
    base: digestSchema.optional(),
    difference: z.base64().optional(),
  })
  .refine(
    ({ manifest, config, base, difference }) =>
      manifest === undefined
        ? config === undefined && base !== undefined && difference !== undefined
        : config !== undefined && base === undefined && difference === undefined,
    'either manifest and config, or base and difference',
  );
export type AnnouncedImage = z.infer<typeof announceImageSchema>;

/** An image with its documents. */
export interface AnnounceImage {
  ref: string;
  digest: Digest;
  manifest: string;
  config: string;
}

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
 * `GET /gantry/v1/uploads/{digest}`: how many bytes of a blob the device has of a sending that broke off.
 * `PATCH` of the same path sends the bytes from `Upload-Offset` on, of the `Upload-Length` that the blob has; 409 when the
 * device does not have all that comes before. `PUT /gantry/v1/layers/{diffId}?upload={digest}` then uses the blob.
 */
export interface UploadStatus {
  offset: number;
}

/**
 * `GET /gantry/v1/layers`: which layers the device can take a difference against. With `?list=1` the layers themselves;
 * their recipes with `GET /gantry/v1/layers/{diffId}/recipe`.
 */
export interface LayerInventory {
  /** SHA-256 of the sorted diffIDs, one a line. */
  digest: Digest;
  /** `recipeBytes`: of the recipe as the device sends it. */
  layers?: { diffId: Digest; recipeBytes: number }[];
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
  /**
   * `document`: part of an image that is not known any more. `volume`: of a revision that is gone. `upload`: what came of a
   * blob that nobody goes on sending.
   */
  kind: 'revision' | 'image' | 'layer' | 'document' | 'volume' | 'upload';
  name: string;
  /** What the disk gets back: what is shared counts once, where it goes with the last that needs it. */
  bytes: number;
}

export interface GarbageList {
  items: GarbageItem[];
  bytes: number;
}
