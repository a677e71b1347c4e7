import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { imageOf, type TestLayer, temporaryFolder } from '../../../init-container/store/test-support.ts';
import { countedLine } from '../../../test/support/counted-line.ts';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { UnixTransport } from '../../transport/unix.ts';
import { TransportAgent } from '../agent.ts';
import { ApiClient } from '../api-client.ts';
import { Connection } from '../connection.ts';
import type { ImageSource } from '../image-source/types.ts';
import type { UploadContext } from '../upload.ts';
import { HostCache } from './host-cache.ts';
import { RateMeter } from './rate.ts';

/**
 * A store in a process of its own, reached over a line that counts what goes to it and can be cut. `rootImage`: the file that it takes
 * for the disk its root image is on.
 */
export async function storeBehindLine(
  options: { killedAfterEachBlock?: (data: string) => void; rootImage?: Buffer } = {},
) {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'blobs'));
  await mkdir(join(folder, 'layers'));
  await writeFile(join(folder, 'revision.json'), canonicalJson({ schema: 1, components: {} }));
  const socket = join(folder, 'store.sock');
  const faults = join(folder, 'faults');
  const { killedAfterEachBlock, rootImage } = options;
  if (rootImage) await writeFile(join(folder, 'root.img'), rootImage);
  let child: ChildProcess;
  let stopped = false;
  const start = async () => {
    if (killedAfterEachBlock) await writeFile(faults, JSON.stringify({ action: 'kill', point: 'upload block' }));
    child = spawn(process.execPath, [join(import.meta.dirname, 'store-process.testing.ts'), folder, socket], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, GANTRY_FAULTS: faults },
    });
    child.once('exit', () => {
      if (stopped) return;
      killedAfterEachBlock?.(join(folder, 'data'));
      rmSync(socket, { force: true });
      void start();
    });
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await start();
  const path = join(folder, 'line.sock');
  const line = await countedLine(path, socket);
  onTestFinished(async () => {
    stopped = true;
    line.close();
    child.kill('SIGKILL');
    await once(child, 'exit').catch(() => undefined);
  });
  return { line, path, data: join(folder, 'data') };
}

/** `bytesPerSecond`: what the host takes the line for. */
export async function hostOf(path: string, cacheDir: string, bytesPerSecond?: number): Promise<UploadContext> {
  const transport = new UnixTransport(path);
  const connection = new Connection(transport);
  await connection.connect();
  const agent = new TransportAgent(() => connection.dial());
  onTestFinished(async () => {
    await connection.close();
    agent.destroy();
  });
  const rates = new RateMeter({ kind: 'serial', ...(bytesPerSecond !== undefined && { bytesPerSecond }) });
  return { api: new ApiClient(agent), connection, cache: new HostCache(cacheDir), rates };
}

export function sourceOf(name: string, layers: TestLayer[], overrides?: Parameters<typeof imageOf>[2]): ImageSource {
  const { ref, digest, manifest, config } = imageOf(name, layers, overrides);
  return {
    ref,
    digest,
    manifestText: manifest,
    configText: config,
    manifest: JSON.parse(manifest),
    config: JSON.parse(config),
    openLayer: async ({ digest: wanted }) => {
      const blob = layers.find((layer) => layer.digest === wanted)?.blob ?? Buffer.alloc(0);
      return Readable.from([blob.subarray(0, 99_000), blob.subarray(99_000)].filter(({ length }) => length > 0));
    },
    close: async () => undefined,
  };
}
