import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, rmSync, statSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { imageOf, layerOf, tarOf, temporaryFolder } from '../../init-container/store/test-support.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { hexOf } from '../shared/oci/digest.ts';
import { UnixTransport } from '../transport/unix.ts';
import { TransportAgent } from './agent.ts';
import { ApiClient } from './api-client.ts';
import { Connection } from './connection.ts';
import type { ImageSource } from './image-source/types.ts';
import { uploadImage } from './upload.ts';

const block = 64 << 10;
const content = randomBytes(150_000).toString('hex');
const layer = layerOf(await tarOf([{ name: 'app.js', content }]), 'none');

/** A store in a process of its own, reached over a line that counts what goes to it and can be cut. */
async function storeBehindLine(options: { killedAfterEachBlock?: (data: string) => void } = {}) {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'blobs'));
  await mkdir(join(folder, 'layers'));
  await writeFile(join(folder, 'revision.json'), canonicalJson({ schema: 1, components: {} }));
  const socket = join(folder, 'store.sock');
  const faults = join(folder, 'faults');
  const { killedAfterEachBlock } = options;
  let child: ChildProcess;
  let stopped = false;
  const start = async () => {
    if (killedAfterEachBlock) await writeFile(faults, JSON.stringify({ action: 'kill', point: 'upload block' }));
    child = spawn(process.execPath, [join(import.meta.dirname, 'transfer/store-process.testing.ts'), folder, socket], {
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
  const sockets = new Set<Socket>();
  const line: { up: number; onBytes: (up: number) => void } = { up: 0, onBytes: () => undefined };
  const server = createServer((host) => {
    const device = connect(socket);
    for (const end of [host, device]) {
      sockets.add(end);
      end.on('error', () => undefined);
      end.once('close', () => sockets.delete(end));
    }
    host.once('close', () => device.destroy());
    device.once('close', () => host.destroy());
    device.pipe(host);
    host.on('data', (chunk) => {
      line.up += chunk.length;
      if (!device.write(chunk)) {
        host.pause();
        device.once('drain', () => host.resume());
      }
      line.onBytes(line.up);
    });
  });
  const path = join(folder, 'line.sock');
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(async () => {
    stopped = true;
    server.close();
    for (const end of sockets) end.destroy();
    child.kill('SIGKILL');
    await once(child, 'exit').catch(() => undefined);
  });
  return {
    line,
    path,
    data: join(folder, 'data'),
    cut: () => {
      for (const end of sockets) end.destroy();
    },
  };
}

async function host(path: string) {
  const connection = new Connection(new UnixTransport(path));
  await connection.connect();
  const agent = new TransportAgent(() => connection.dial());
  onTestFinished(async () => {
    await connection.close();
    agent.destroy();
  });
  return { api: new ApiClient(agent), connection, component: 'web' };
}

function sourceOf(): ImageSource {
  const { ref, digest, manifest, config } = imageOf('web:2', [layer]);

  return {
    ref,
    digest,
    manifestText: manifest,
    configText: config,
    manifest: JSON.parse(manifest),
    config: JSON.parse(config),
    openLayer: async () => Readable.from([layer.blob.subarray(0, 99_000), layer.blob.subarray(99_000)]),
    close: async () => undefined,
  };
}

async function upload(context: Awaited<ReturnType<typeof host>> & { signal?: AbortSignal }): Promise<string[]> {
  const told: string[] = [];
  for await (const { message } of uploadImage(context, sourceOf())) told.push(message);
  return [...new Set(told)];
}

/** What every cut costs besides: the image is announced again, and the device asked where it is. */
const askingBytes = 4000;
const cuts = Math.floor(layer.blob.length / block);

async function expectWhole(data: string) {
  expect(await readdir(join(data, 'layers'))).toEqual([hexOf(layer.diffId)]);
  expect(await readFile(join(data, 'layers', hexOf(layer.diffId), 'app.js'), 'utf8')).toBe(content);
  expect(await readdir(join(data, 'uploads'))).toEqual([]);
}

describe('an upload that is cut', () => {
  it('at every block sends at most one again', async () => {
    const { line, path, data, cut } = await storeBehindLine();
    const context = await host(path);
    let next = block;
    let done = 0;
    line.onBytes = (up) => {
      if (done === cuts || up < next) return;
      done += 1;
      next = up + block;
      cut();
    };
    const told = await upload(context);
    expect(done).toBe(cuts);
    expect(told.some((words) => words.startsWith('going on with web:2'))).toBe(true);
    expect(line.up).toBeLessThan(layer.blob.length + cuts * block + (cuts + 1) * askingBytes);
    await expectWhole(data);
  });

  it('by kill -9 of the init container after each block goes on after that block', async () => {
    const file = hexOf(layer.digest);
    const sizes: number[] = [];
    const { path, data } = await storeBehindLine({
      killedAfterEachBlock: (folder) => void sizes.push(statSync(join(folder, 'uploads', file)).size),
    });
    const told = await upload(await host(path));
    const blocks = Array.from({ length: cuts }, (_, index) => (index + 1) * block);
    expect(sizes).toEqual([...blocks, layer.blob.length]);
    expect(told.filter((words) => words.startsWith('going on with web:2'))).toHaveLength(sizes.length);
    await expectWhole(data);
  });

  it('goes on also when the host itself began anew', async () => {
    const { line, path } = await storeBehindLine();
    const abort = new AbortController();
    line.onBytes = (up) => {
      if (up > 200_000) abort.abort();
    };
    await expect(upload({ ...(await host(path)), signal: abort.signal })).rejects.toThrow('aborted');
    line.onBytes = () => undefined;
    line.up = 0;
    const told = await upload(await host(path));
    expect(told.some((words) => words.startsWith('going on with web:2'))).toBe(true);
    expect(line.up).toBeLessThan(layer.blob.length - 200_000 + block + 8000);
  });
});
