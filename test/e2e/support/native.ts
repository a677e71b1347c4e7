import { readFileSync, rmSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildOs } from '../../../src/compose/build-os.ts';
import { hostArch } from '../../../src/emulator/index.ts';
import type { ComponentStatus, DeviceInfo } from '../../../src/shared/api/types.ts';
import { startInNamespaces } from '../../bench/restart/namespaces.ts';
import { progressTo, sayWithTime } from './compose.ts';
import { root, work } from './paths.ts';
import { until } from './until.ts';

/** A device on this machine's own kernel, in namespaces: everything but boot and kernel, in two seconds. Needs root. */
export interface NativeDevice {
  /** A request to its API; fails unless the answer is 2xx. */
  call(method: string, path: string, body?: object): Promise<string>;
  info(): Promise<DeviceInfo>;
  component(name: string): Promise<ComponentStatus>;
  /** Waits for a component to be so. */
  untilIs(name: string, wanted: Partial<ComponentStatus>, seconds?: number): Promise<ComponentStatus>;
  /** The lines of a component's log, without time stamps. */
  log(name: string, query?: string): Promise<string[]>;
  /** What the init container has said. */
  journal(): string;
  /** A path of the device as this process reaches it. */
  path(path: string): string;
  /** A process of the device as this machine numbers it. */
  pidHere(pid: number): number;
  /** kill -9 of the init container; resolves when the next one answers. */
  killInit(): Promise<void>;
  stop(): Promise<void>;
}

export async function startNative(definition: string, name: string): Promise<NativeDevice> {
  const outDir = join(work, `native-${name}`);
  const onProgress = progressTo(sayWithTime());
  await buildOs({
    definitions: [definition, join(root, 'images/core.yml')],
    arch: hostArch(),
    outDir,
    relockGone: true,
    onProgress,
  });
  const folder = await mkdtemp(join(tmpdir(), 'gantry-native-'));
  const log = join(work, `native-${name}.log`);
  const script = join(root, 'test/bench/restart/device.sh');
  const namespaces = await startInNamespaces(script, [join(outDir, 'root.img'), folder], {
    log,
    cgroup: `gantry-native-${name}-${process.pid}`,
  });
  const path = (inside: string) => `/proc/${namespaces.pid}/root${inside}`;
  const call = (method: string, url: string, body?: object) => callApi(path('/run/docker.sock'), method, url, body);
  const info = async () => JSON.parse(await call('GET', '/gantry/v1/device')) as DeviceInfo;
  const components = async () => JSON.parse(await call('GET', '/gantry/v1/components')) as ComponentStatus[];
  const journal = () => {
    try {
      return readFileSync(path('/run/gantry/init.log'), 'utf8');
    } catch {
      return '';
    }
  };
  const component = async (wanted: string) => {
    const found = (await components()).find((one) => one.name === wanted);
    if (!found) throw new Error(`there is no ${wanted}`);
    return found;
  };
  const device: NativeDevice = {
    call,
    info,
    component,
    journal,
    path,
    untilIs: (wanted, like, seconds = 30) =>
      until(`${wanted} to be ${JSON.stringify(like)}`, seconds, async () => {
        const found = await component(wanted);
        const differs = Object.entries(like).filter(([key, value]) => found[key as keyof ComponentStatus] !== value);
        if (differs.length > 0) throw new Error(JSON.stringify(found));
        return found;
      }),
    log: async (wanted, query = '') => {
      const text = await call('GET', `/containers/${wanted}/logs?stdout=1&stderr=1${query}`);
      return text
        .split('\n')
        .map((line) => line.slice(8))
        .filter((line) => line !== '');
    },
    pidHere: (pid) => pidFromInside(namespaces.pid, pid),
    killInit: async () => {
      const { pid } = (await info()).init;
      process.kill(pidFromInside(namespaces.pid, pid), 'SIGKILL');
      await until('the next init container', 30, async () => (await info()).init.pid !== pid);
    },
    stop: async () => {
      await namespaces.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await until('the API to answer', 60, info);
  } catch (cause) {
    const said = `${await readFile(log, 'utf8')}${journal()}`.trim().split('\n').slice(-20).join('\n');
    await device.stop();
    throw new Error(`the device does not answer; it said:\n${said}`, { cause });
  }
  return device;
}

/** The last number of NSpid in /proc/PID/status is what the process is called in its own namespace. */
function pidFromInside(ancestor: number, inside: number): number {
  const queue = [ancestor];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    try {
      const names = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.split(/\s+/) ?? [];
      if (names[1] === String(inside)) return pid;
      queue.push(
        ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
      );
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`there is no process ${inside} in the device`);
}

function callApi(socketPath: string, method: string, path: string, body?: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const sent = request({ socketPath, path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        if ((response.statusCode ?? 500) < 400) resolve(text);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.trim()}`));
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
