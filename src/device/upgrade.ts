import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type UpgradeImage, type UpgradeStatus, upgradeImageSchema, upgradeStatusSchema } from '../shared/api/types.ts';
import type { Digest } from '../shared/oci/types.ts';
import { TransportError } from '../transport/transport.ts';
import type { ApiClient } from './api-client.ts';
import type { Connection } from './connection.ts';

const path = '/gantry/v1/upgrade';
const pauseMs = 1000;

/** What an upgrade tells on its way. */
export interface UpgradeProgress {
  message: string;
  /** Bytes sent so far and to send. */
  progress?: { done: number; total: number };
}

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

/**
 * Sends a composed image, has the device restart into it and waits until the device has decided whether it stays. Yields
 * what happens; the value of the end says what became of it.
 */
export async function* upgradeDevice(
  { api, connection, signal }: { api: ApiClient; connection: Connection; signal?: AbortSignal | undefined },
  dir: string,
): AsyncGenerator<UpgradeProgress, UpgradeStatus> {
  const image = await describeImage(dir);
  const total = image.files.reduce((sum, { size }) => sum + size, 0);
  yield { message: `sending ${image.name} (${image.id})`, progress: { done: 0, total } };
  const body = Readable.from(filesOf(dir, image), { objectMode: false });
  await api.put(`${path}?image=${encodeURIComponent(JSON.stringify(image))}`, body, {
    headers: { 'Content-Type': 'application/octet-stream' },
    length: total,
    ...(signal && { signal }),
  });
  yield { message: `sent ${image.name}`, progress: { done: total, total } };
  await api.send('POST', path, { body: { id: image.id } });
  yield { message: 'the device restarts into it, and keeps it when everything in it is healthy' };
  for (;;) {
    signal?.throwIfAborted();
    try {
      const status = await api.get(path, upgradeStatusSchema, { ...(signal && { signal }) });
      if (status.id !== image.id) throw new Error(`another image (${status.id}) was sent to the device meanwhile`);
      if (status.state === 'kept' || status.state === 'failed') return status;
    } catch (error) {
      if (!(error instanceof TransportError && error.retry)) throw error;
      await connection.whenConnected(signal);
    }
    await sleep(pauseMs, undefined, { ...(signal && { signal }) });
  }
}

async function* filesOf(dir: string, image: UpgradeImage): AsyncGenerator<Buffer> {
  for (const { name } of image.files) yield* createReadStream(join(dir, name)) as AsyncIterable<Buffer>;
}

async function digestOfFile(file: string): Promise<Digest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return `sha256:${hash.digest('hex')}`;
}
