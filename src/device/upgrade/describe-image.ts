import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digestOfFile } from '../../compose/kept-files.ts';
import { type UpgradeImage, upgradeImageSchema } from '../../shared/api/types.ts';

const manifestSchema = z.object({
  id: z.string(),
  name: z.string(),
  arch: z.string(),
  board: z.string(),
  cmdline: z.string(),
});

/** Describes a composed image. Rejects with a sentence when the folder is not one. */
export async function describeImage(dir: string): Promise<UpgradeImage> {
  const text = await readFile(join(dir, 'image.json'), 'utf8').catch((cause: unknown) => {
    throw new Error(`${dir} is no composed image: it has no image.json. Give the folder that "gantry build" wrote`, {
      cause,
    });
  });
  const { id, name, arch, board, cmdline } = checked(dir, manifestSchema, parsed(text));
  const files: object[] = [];
  for (const file of ['kernel', 'initrd.img', 'root.img']) {
    const path = join(dir, file);
    const { size } = await stat(path).catch((cause: unknown) => {
      throw new Error(`${dir} is not whole: it has no ${file}. Build it again`, { cause });
    });
    files.push({ name: file, size, digest: await digestOfFile(path) });
  }
  return checked(dir, upgradeImageSchema, { id, name, arch, board, cmdline, files });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checked<T>(dir: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const what = `${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'invalid'}`;
  throw new Error(`${join(dir, 'image.json')} does not describe a composed image (${what}). Build it again`);
}
