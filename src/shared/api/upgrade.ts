import { z } from 'zod';
import { digestSchema } from '../definition/revision.ts';

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
export const upgradeStatusSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** `written`: in its slot. `trying`: it runs, or is about to. `kept`: it starts at each boot. `failed`: another runs. */
  state: z.enum(['written', 'trying', 'kept', 'failed']),
  /** Why it failed. */
  detail: z.string().optional(),
});
export type UpgradeStatus = z.infer<typeof upgradeStatusSchema>;
