import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { buildOs } from '../../../src/compose/build-os.ts';
import { OciLayout } from '../../../src/compose/oci/layout.ts';
import { hostArch } from '../../../src/emulator/index.ts';
import { progressTo, type Say } from '../../e2e/support/compose.ts';
import { ociDir, root, work } from '../../e2e/support/paths.ts';
import { until } from '../../e2e/support/until.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { writeDockerArchive } from './docker-archive.ts';
import { type Namespaces, startInNamespaces } from './namespaces.ts';

/** A container engine in namespaces of its own that runs the container `web` of the image web:1. */
export interface Engine {
  namespaces: Namespaces;
  /** The API's socket as this process reaches it. */
  socketPath: string;
}

const script = (name: string) => join(import.meta.dirname, name);
const image = 'web:1';

/** Gantry's init container and what it runs on, from a composed image, on this machine's kernel. */
export async function startGantry(
  atEnd: AtEnd,
  say: Say,
  definitions = [join(root, 'images/web.yml')],
): Promise<Engine> {
  const arch = hostArch();
  const outDir = join(work, `bench-${basename(definitions[0] ?? '', '.yml')}-${arch}`);
  await buildOs({
    definitions,
    arch,
    outDir,
    relockGone: true,
    onProgress: progressTo(say),
  });
  const folder = temporaryFolder(atEnd);
  const log = join(work, 'bench-gantry.log');
  const options = { log, cgroup: basename(folder) };
  const namespaces = await startInNamespaces(script('device.sh'), [join(outDir, 'root.img'), folder], options);
  atEnd.add(namespaces.stop);
  const socketPath = `/proc/${namespaces.pid}/root/run/docker.sock`;
  await untilRunning(socketPath, log);
  return { namespaces, socketPath };
}

/** Docker, its container on the host's network and otherwise with Docker's own defaults. */
export async function startDocker(atEnd: AtEnd, images = [image]): Promise<Engine> {
  const folder = temporaryFolder(atEnd);
  const archives = await writeArchives(images, folder);
  const log = join(work, 'bench-dockerd.log');
  const options = { log, cgroup: basename(folder) };
  const namespaces = await startInNamespaces(script('dockerd.sh'), [folder], options);
  atEnd.add(namespaces.stop);
  const socketPath = join(folder, 'docker.sock');
  await explained(log, () =>
    until('dockerd to answer', 60, async () => (await call(socketPath, 'GET', '/_ping')) === 'OK'),
  );
  for (const archive of archives) await call(socketPath, 'POST', '/images/load', createReadStream(archive));
  const wanted = JSON.stringify({ Image: images[0], HostConfig: { NetworkMode: 'host' } });
  await call(socketPath, 'POST', '/containers/create?name=web', wanted);
  await call(socketPath, 'POST', '/containers/web/start');
  await untilRunning(socketPath, log);
  return { namespaces, socketPath };
}

/** The images as `docker load` and `podman load` take them. */
export async function writeArchives(images: readonly string[], folder: string): Promise<string[]> {
  const paths = images.map((_, at) => join(folder, `image-${at}.tar`));
  for (const [at, ref] of images.entries()) {
    await writeDockerArchive(new OciLayout(ociDir(hostArch())), ref, hostArch(), paths[at] ?? '');
  }
  return paths;
}

/** `GET /version` of an engine: what a person calls it. */
export async function versionOf({ socketPath }: Engine): Promise<string> {
  return z.object({ Version: z.string() }).parse(JSON.parse(await call(socketPath, 'GET', '/version'))).Version;
}

async function untilRunning(socketPath: string, log: string): Promise<void> {
  const inspected = z.object({ State: z.object({ Running: z.boolean() }) });
  await explained(log, () =>
    until('the container web to run', 60, async () => {
      const text = await call(socketPath, 'GET', '/containers/web/json');
      return inspected.parse(JSON.parse(text)).State.Running;
    }),
  );
}

export async function explained<T>(log: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const tail = readFileSync(log, 'utf8').trim().split('\n').slice(-10).join('\n');
    throw new Error(`${(cause as Error).message}; it printed:\n${tail}`, { cause });
  }
}

export function call(socketPath: string, method: string, path: string, body?: string | Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': typeof body === 'string' ? 'application/json' : 'application/x-tar' };
    const sent = request({ socketPath, path, method, headers: body === undefined ? {} : headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        if ((response.statusCode ?? 500) < 300) resolve(text);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.trim()}`));
      });
    });
    sent.on('error', reject);
    if (body === undefined || typeof body === 'string') sent.end(body);
    else body.pipe(sent);
  });
}

export function temporaryFolder(atEnd: AtEnd): string {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  atEnd.add(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
