import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';

const imageSchema = z.object({
  name: z.string(),
  id: z.string(),
  arch: z.enum(['amd64', 'arm64']),
  /** The board to boot it on when a person names none. */
  board: z.string().optional(),
  cmdline: z.string().regex(/^[^\n\0]*$/),
});

/** A composed image: a folder with `kernel`, `initrd.img`, `root.img` and `image.json`. */
export interface BootImage extends z.infer<typeof imageSchema> {
  dir: string;
}

/** Reads an image's folder. Throws an error that says which file is missing or wrong. */
export function loadImage(path: string): BootImage {
  const dir = resolve(path);
  const hint = 'Give the folder that `gantry build` wrote.';
  for (const name of ['image.json', 'kernel', 'initrd.img', 'root.img']) {
    if (!statSync(join(dir, name), { throwIfNoEntry: false })?.isFile()) {
      throw new Error(`${dir} is not a bootable image: it has no ${name}. ${hint}`);
    }
  }
  try {
    return { ...imageSchema.parse(JSON.parse(readFileSync(join(dir, 'image.json'), 'utf8'))), dir };
  } catch (cause) {
    throw new Error(`${join(dir, 'image.json')} does not describe an image. ${hint}`, { cause });
  }
}
