import { z } from 'zod';
import { digestSchema } from '../definition/revision.ts';
import type { Digest } from '../oci/types.ts';

/**
 * `PUT /gantry/v1/upgrade?image=…`: a whole image for the slot not in use, described by this as JSON in the query; the body
 * is its files, one after the other in this order. With `&upload={digest}` they are in a blob that was sent in parts, or, by
 * its Content-Type, the blob is a difference that makes the tar of the files (`imageRecipe`); 422 when the device cannot use it
 * and the files have to be sent. Nothing starts the image yet. `POST /gantry/v1/upgrade` with its `UpgradeRequest`
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
export const upgradeStatusSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** `written`: in its slot. `trying`: it runs, or is about to. `kept`: it starts at each boot. `failed`: another runs. */
  state: z.enum(['written', 'trying', 'kept', 'failed']),
  /** Why it failed. */
  detail: z.string().optional(),
});
export type UpgradeStatus = z.infer<typeof upgradeStatusSchema>;

export const upgradeBasesSchema = z.object({
  written: z.boolean(),
  files: z.array(z.object({ name: z.string(), size: z.number().int().positive(), digest: digestSchema })),
});

/**
 * `GET /gantry/v1/upgrade/bases?image=…`: what of that image need not be sent. Refused as the image itself would be; nothing is
 * changed.
 */
export interface UpgradeBases {
  /** All of it is in its slot. */
  written: boolean;
  /** Files of images that the device has, those of the image that runs first: a difference may build on their contents. */
  files: { name: string; size: number; digest: Digest }[];
}
