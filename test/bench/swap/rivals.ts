import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../../src/emulator/programs.ts';
import type { Say } from '../../e2e/support/compose.ts';
import { root, work } from '../../e2e/support/paths.ts';
import { until } from '../../e2e/support/until.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { call, startDocker, startGantry, temporaryFolder, versionOf, writeArchives } from '../restart/engines.ts';
import { startInNamespaces } from '../restart/namespaces.ts';
import { swapTo } from './strategies.ts';

const run = promisify(execFile);
const script = (name: string) => join(import.meta.dirname, name);

/** Both open their port themselves, and the old one ends before the new one starts. */
const images = ['web:plain', 'web:plain-2'] as const;

/** Something that can put one container in another's place. */
export interface Rival {
  name: string;
  /** Whose network the page is in. */
  pid: number;
  /** To the first or the second of the two images. */
  swap(to: 0 | 1): Promise<void>;
  stop(): Promise<void>;
}

export async function gantry(atEnd: AtEnd, say: Say): Promise<Rival> {
  const definitions = ['test/images/web-plain.yml', 'images/core.yml'].map((path) => join(root, path));
  const engine = await startGantry(atEnd, say, definitions);
  const { pid, stop } = engine.namespaces;
  return { name: 'Gantry: `gantry swap`, stop-start', pid, swap: (to) => swapTo(engine, images[to]), stop };
}

export async function docker(atEnd: AtEnd): Promise<Rival> {
  const engine = await startDocker(atEnd, [...images]);
  const { socketPath, namespaces } = engine;
  const swap = async (to: 0 | 1) => {
    await call(socketPath, 'POST', '/containers/web/stop');
    await call(socketPath, 'DELETE', '/containers/web');
    const wanted = JSON.stringify({ Image: images[to], HostConfig: { NetworkMode: 'host' } });
    await call(socketPath, 'POST', '/containers/create?name=web', wanted);
    await call(socketPath, 'POST', '/containers/web/start');
  };
  const name = `Docker ${await versionOf(engine)}: stop, rm, run over its API`;
  return { name, pid: namespaces.pid, swap, stop: namespaces.stop };
}

/** With runc, as Docker: Debian's crun gives up where root may not lift its own limits, as in many containers. */
export async function podman(atEnd: AtEnd): Promise<Rival> {
  findProgram('podman', 'podman');
  const runtime = findProgram('runc', 'runc');
  const folder = temporaryFolder(atEnd);
  const archives = await writeArchives(images, folder);
  const log = join(work, 'bench-podman.log');
  const options = { log, cgroup: basename(folder) };
  const namespaces = await startInNamespaces(script('podman.sh'), [], options);
  atEnd.add(namespaces.stop);
  const config = join(folder, 'containers.conf');
  // A limit of processes needs a controller that cgroup v2 lacks where a distribution has given it to version 1.
  const containers = 'log_driver = "k8s-file"\npids_limit = 0\n';
  writeFileSync(config, `[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n[containers]\n${containers}`);
  const policy = join(folder, 'policy.json');
  writeFileSync(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const into = ['-t', String(namespaces.pid), '-m', '-n', '-p', '-C', '--'];
  const places = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--tmpdir', join(folder, 'tmp')];
  const command = (...args: string[]) =>
    run('nsenter', [...into, 'podman', ...places, '--runtime', runtime, ...args], {
      env: { ...process.env, CONTAINERS_CONF: config },
      timeout: 60_000,
    });
  await until('the namespaces of podman', 20, async () => command('info').then(() => true));
  for (const archive of archives) await command('load', '--signature-policy', policy, '-i', archive);
  const start = (image: string) =>
    command('run', '--detach', '--name', 'web', '--network', 'host', '--pull', 'never', image);
  await start(images[0]);
  const swap = async (to: 0 | 1) => {
    await command('stop', 'web');
    await command('rm', 'web');
    await start(images[to]);
  };
  const { stdout } = await run('podman', ['--version']);
  const version = stdout.trim().split(' ').at(-1) ?? '';
  return { name: `Podman ${version} with runc: stop, rm, run`, pid: namespaces.pid, swap, stop: namespaces.stop };
}

/** crun alone, in a device of its own whose init container and web server have been ended. */
export async function bareCrun(atEnd: AtEnd, say: Say): Promise<Rival> {
  const definitions = ['test/images/web-plain.yml', 'images/core.yml'].map((path) => join(root, path));
  const { namespaces, socketPath } = await startGantry(atEnd, say, definitions);
  const inside = `/proc/${namespaces.pid}/root`;
  mkdirSync(`${inside}/run/floor`, { recursive: true });
  const into = ['-t', String(namespaces.pid), '-m', '-n', '-p', '-C', '--', '/usr/bin/busybox', 'sh'];
  const floor = (text: string, ...args: string[]) => run('nsenter', [...into, '-c', text, 'sh', ...args]);
  const read = (name: string) => readFileSync(script(name), 'utf8');
  await floor(read('floor.sh'), '/run/gantry/containers/web/config.json', '/run/floor');
  await call(socketPath, 'POST', '/containers/web/stop');
  await floor('cd /run/floor/1 && crun run --detach --pid-file pid floor-1 >/dev/null 2>&1 </dev/null');
  const text = read('floor-swap.sh');
  const swap = async (to: 0 | 1) => void (await floor(text, '/run/floor', String(2 - to), String(to + 1)));
  return { name: 'crun alone: the floor', pid: namespaces.pid, swap, stop: namespaces.stop };
}
