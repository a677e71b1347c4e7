import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, hostname, release, totalmem } from 'node:os';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { availableControllers } from '../engine/controllers.ts';
import { distribution } from '../native/machine.ts';
import { dockerState } from './container-json.ts';
import type { ApiContext } from './context.ts';
import { sendJson } from './respond.ts';
import type { Call, Route } from './router.ts';
import { apiVersion, minApiVersion } from './server.ts';

/** What clients ask about the engine itself. */
export function systemRoutes(context: ApiContext): Route[] {
  const { version } = context;
  return [
    { method: 'HEAD', pattern: '/_ping', handler: ping },
    { method: 'GET', pattern: '/_ping', handler: ping },
    // Containers are in the device's own network, or in none.
    { method: 'GET', pattern: '/networks', handler: ({ response }) => sendJson(response, 200, []) },
    { method: 'GET', pattern: '/info', handler: async ({ response }) => sendJson(response, 200, await info(context)) },
    {
      method: 'GET',
      pattern: '/version',
      handler: ({ response }) => {
        const architecture = arch() === 'x64' ? 'amd64' : arch();
        // The docker CLI prints these, and leaves blanks for what is missing.
        const details = {
          ApiVersion: apiVersion,
          MinAPIVersion: minApiVersion,
          Os: 'linux',
          Arch: architecture,
          KernelVersion: release(),
          Experimental: 'false',
        };
        sendJson(response, 200, {
          Platform: { Name: 'Gantry' },
          Version: version,
          ApiVersion: apiVersion,
          MinAPIVersion: minApiVersion,
          Os: 'linux',
          Arch: architecture,
          KernelVersion: release(),
          GitCommit: '',
          GoVersion: '',
          BuildTime: '',
          Components: [
            { Name: 'Engine', Version: version, Details: details },
            { Name: 'Node', Version: process.versions.node, Details: {} },
          ],
        });
      },
    },
  ];
}

function ping({ request, response }: Call): void {
  response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Docker-Experimental': 'false',
    'Builder-Version': '1',
    Swarm: 'inactive',
    'Cache-Control': 'no-cache, no-store, must-revalidate',
    Pragma: 'no-cache',
    'Content-Length': 2,
  });
  response.end(request.method === 'HEAD' ? undefined : 'OK');
}

/** The fields that `docker info` prints; the machine's id stands in for the engine's. */
async function info({ supervisor, store, version }: ApiContext) {
  const states = supervisor.instances().map(dockerState);
  const running = states.filter((state) => state === 'running').length;
  const bootId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const controllers = await availableControllers().catch(() => new Set<string>());
  const commit = { ID: '', Expected: '' };
  return {
    ID: bootId.trim(),
    Name: hostname(),
    ServerVersion: version,
    Containers: states.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: states.length - running,
    Images: (await store.list()).length,
    Driver: 'overlay2',
    DriverStatus: [],
    Plugins: { Volume: [], Network: ['host', 'none'], Authorization: null, Log: ['json-file'] },
    MemoryLimit: controllers.has('memory'),
    SwapLimit: false,
    PidsLimit: controllers.has('pids'),
    IPv4Forwarding: true,
    OomKillDisable: false,
    NGoroutines: 0,
    NFd: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: 'json-file',
    CgroupDriver: 'cgroupfs',
    CgroupVersion: '2',
    KernelVersion: release(),
    OperatingSystem: distribution === undefined ? `Gantry ${version}` : `Gantry ${version} on ${distribution}`,
    OSVersion: version,
    OSType: 'linux',
    Architecture: arch() === 'x64' ? 'x86_64' : 'aarch64',
    NCPU: availableParallelism(),
    MemTotal: totalmem(),
    IndexServerAddress: '',
    RegistryConfig: null,
    DockerRootDir: devicePaths.data,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Labels: [],
    ExperimentalBuild: false,
    Runtimes: { crun: { path: '/usr/bin/crun' } },
    DefaultRuntime: 'crun',
    Swarm: { NodeID: '', LocalNodeState: 'inactive', ControlAvailable: false, Error: '', RemoteManagers: null },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: '',
    ContainerdCommit: commit,
    RuncCommit: commit,
    InitCommit: commit,
    SecurityOptions: ['name=seccomp,profile=builtin'],

    Warnings: ['memory', 'cpu', 'pids'].filter((one) => !controllers.has(one)).map((one) => `No ${one} limit support`),
  };
}
