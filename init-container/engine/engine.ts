import { readFileSync, rmSync, statSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import {
  type ComponentConfig,
  componentConfigSchema,
  configLabel,
  mergeConfig,
} from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { replaceFile } from '../native/atomic-file.ts';
import { DatagramSocket } from '../native/datagram.ts';
import { hostPath } from '../native/host-command.ts';
import { journal } from '../native/journal.ts';
import { distribution } from '../native/machine.ts';
import { identify, isRunning, type ProcessIdentity } from '../native/processes.ts';
import { runOnHost, runOnHostOrThrow } from '../native/run.ts';
import type { ImageStore, StoredImage } from '../store/types.ts';
import { argumentsOf, bundleSpec, environmentOf } from './bundle.ts';
import { availableCapabilities } from './capabilities.ts';
import { writeConfigFiles } from './config-files.ts';
import { createUnderConmon } from './conmon.ts';
import { availableControllers, keepableLimits } from './controllers.ts';
import { resolveUser } from './image-user.ts';
import { defaultPidsLimit, limitsOf } from './limits.ts';
import { ListenSockets } from './listen-sockets.ts';
import { appendToLog } from './log-append.ts';
import { machinePath, onMachine } from './machine-paths.ts';
import { type OciSpec, ociJson } from './oci-spec.ts';
import {
  cgroupRoot,
  componentOf,
  conmonCgroup,
  containerCgroup,
  containerPaths,
  logsFolder,
  otherInstance,
} from './paths.ts';
import { type ContainerRecord, containerId, loadRecord, removeRecord, saveRecord, specKey } from './record.ts';
import { discardRootfs, mountRootfs } from './rootfs.ts';
import type { Volumes } from './volumes.ts';

export interface Started {
  record: ContainerRecord;
  process: ProcessIdentity;
  conmon: ProcessIdentity | undefined;
  /** Where the program says that it is ready, if its health check waits for that. */
  notify?: DatagramSocket;
}

/** A container that waits to be let run. */
interface Created {
  started: Started;
  /** Gets what the program says on its socket. */
  listener: { hear: (message: Buffer) => void };
}

/** Makes, starts and removes containers with crun and conmon. Knows nothing of wishes, restarts or health. */
export class Engine {
  readonly #store: ImageStore;
  readonly #volumes: Volumes;
  readonly #sockets = new ListenSockets();
  /** Containers that were created and wait to be let run. */
  readonly #prepared = new Map<string, Created>();

  constructor(store: ImageStore, volumes: Volumes) {
    this.#store = store;
    this.#volumes = volumes;
  }

  /** Makes the folders that conmon and the supervisor need, and finds the sockets that are open already. */
  async open(): Promise<void> {
    for (const folder of [devicePaths.containers, devicePaths.exits, logsFolder]) {
      await mkdir(folder, { recursive: true, mode: 0o755 });
    }
    await this.#sockets.adopt();
  }

  /**
   * Makes a new container with a new writable layer and stops short of letting it run: what is left is its program's own
   * time. Rejects with a sentence when the image, the configuration or the runtime is at fault; nothing is left then.
   */
  async prepare(instance: string, spec: ComponentSpec): Promise<void> {
    if (await this.#takePrepared(instance, spec, { keep: true })) return;
    await this.discard(instance);
    this.#prepared.set(instance, await this.#create(instance, spec));
  }

  /**
   * Starts a container, on its old writable layer if it was made from the same image and configuration; one that was
   * prepared from them only has to be let run. Rejects with a sentence when the image, the configuration or the runtime is
   * at fault; nothing is left running then. `onNotify` gets what the program says on its socket, if its health check is
   * `ready`.
   */
  async start(instance: string, spec: ComponentSpec, onNotify: (message: Buffer) => void): Promise<Started> {
    const created = (await this.#takePrepared(instance, spec)) ?? (await this.#create(instance, spec));
    created.listener.hear = onNotify;
    try {
      await runOnHostOrThrow(['crun', 'start', instance], { timeoutMs: 60_000 });
      return created.started;
    } catch (error) {
      created.started.notify?.close();
      await this.#removeFromRuntime(instance);
      throw error;
    }
  }

  /** Whether a container waits to be let run, made from this specification if one is given. */
  isPrepared(instance: string, spec?: ComponentSpec): boolean {
    const prepared = this.#prepared.get(instance)?.started;
    return prepared !== undefined && (spec === undefined || prepared.record.specKey === specKey(spec));
  }

  /** Whether the device holds sockets at all. */
  get holdsSockets(): boolean {
    return this.#sockets.addresses.length > 0;
  }

  /** Closes the sockets that no component lists any more. */
  async keepSockets(configs: ComponentConfig[]): Promise<void> {
    await this.#sockets.keepOnly(new Set(configs.flatMap(({ listen = [] }) => listen)));
  }

  async #takePrepared(instance: string, spec: ComponentSpec, { keep = false } = {}): Promise<Created | undefined> {
    const prepared = this.#prepared.get(instance);
    if (!prepared || prepared.started.record.specKey !== specKey(spec)) return undefined;
    if (!keep) this.#prepared.delete(instance);
    if (await isRunning(prepared.started.process)) return prepared;
    prepared.started.notify?.close();
    return undefined;
  }

  async #create(instance: string, spec: ComponentSpec): Promise<Created> {
    await this.#removeFromRuntime(instance);
    const image = await this.#store.get(spec.image.digest);
    let record = await this.#ensureRecord(instance, spec, image);
    const { exit, oom, spec: specFile, rootfs, files, pidFile, conmonPidFile } = containerPaths(instance);
    for (const file of [exit, oom, pidFile, conmonPidFile]) rmSync(file, { force: true });

    await prepareHost(record.config);
    await mountRootfs(instance, image.layers);
    const volumes = await this.#volumes.prepareVolumes(spec, record.config, hostPath(rootfs));
    const defaultPids = await defaultPidsLimit();
    record = { ...record, volumes: Object.fromEntries(volumes), limits: limitsOf(record.config, defaultPids) };
    saveRecord(instance, record);
    const listener: Created['listener'] = { hear: () => undefined };
    const notify = saysWhenReady(record.config) ? await listenForReady(instance, listener) : undefined;
    try {
      const ociSpec = await withinLimits(
        record.name,
        bundleSpec({
          image: image.config,
          config: inOwnCgroup(record.config, instance),
          user: await resolveUser(image.config.config?.User, image.layers),
          rootfs,
          arch: process.arch === 'arm64' ? 'arm64' : 'amd64',
          volumes,
          files: await writeConfigFiles(files, record.config.files ?? []),
          cgroup: containerCgroup(instance),
          defaultPids,
          capabilities: await availableCapabilities(),
          lookupDevice,
          notify: notify && containerPaths(instance).notify,
        }),
      );
      await replaceFile(specFile, ociJson(distribution === undefined ? ociSpec : onMachine(ociSpec)));
      await appendToLog(otherInstance(instance));
      const sockets = await this.#sockets.open(record.config.listen ?? []);
      const pid = await createUnderConmon(instance, record.id, { sockets, held: notify ? [notify.fd] : [] });
      const first = await identify(pid);
      if (!first) throw new Error('the container ended before it was started');
      const started = { record, process: first, conmon: await identifyFile(conmonPidFile), notify };
      return { started, listener };
    } catch (error) {
      notify?.close();
      await this.#removeFromRuntime(instance);
      throw error;
    }
  }

  /**
   * What became of a start whose end this process did not see. `exited`: it ran, and conmon left its exit code. Undefined
   * when the container was not started.
   */
  async findStarted(instance: string): Promise<Omit<Started, 'record'> | 'exited' | undefined> {
    // Those files were removed when that start began: what is there now is its own.
    if (readExitCode(instance) !== undefined) return 'exited';
    const { pidFile, conmonPidFile } = containerPaths(instance);
    const state = await runOnHost(['crun', 'state', instance], { timeoutMs: 60_000 });
    if (state.code !== 0 || !/"status"\s*:\s*"running"/.test(state.stdout)) return undefined;
    const [process, conmon] = [await identifyFile(pidFile), await identifyFile(conmonPidFile)];
    if (process) return { process, conmon };
    return readExitCode(instance) === undefined ? undefined : 'exited';
  }

  /** The configuration a component would be started with. Rejects when its image is missing or its label is not valid. */
  async configFor(spec: ComponentSpec): Promise<ComponentConfig> {
    return configOf(spec, await this.#store.get(spec.image.digest));
  }

  /** What is left after the container's first process ended: its other processes, its cgroup, crun's state. */
  async cleanUp(instance: string): Promise<void> {
    await this.#removeFromRuntime(instance);
  }

  /** Forgets the container and its writable layer. */
  async discard(instance: string): Promise<void> {
    this.#prepared.get(instance)?.started.notify?.close();
    this.#prepared.delete(instance);
    await this.#removeFromRuntime(instance);
    await discardRootfs(instance);
    removeRecord(instance);
    rmSync(containerPaths(instance).exit, { force: true });
  }

  /** Forgets everything about a container that is no more, except its log. */
  async forget(instance: string): Promise<void> {
    await this.discard(instance);
    await rm(containerPaths(instance).folder, { recursive: true, force: true });
    // conmon, which ends a moment after the container, is in a cgroup that nobody else removes.
    await rmdir(`${cgroupRoot}${conmonCgroup(instance)}`).catch(() => undefined);
  }

  async #removeFromRuntime(instance: string): Promise<void> {
    const result = await runOnHost(['crun', 'delete', '--force', instance], { timeoutMs: 60_000 });
    if (result.code !== 0 && !/does not exist|No such file/i.test(result.stderr)) {
      throw new Error(`crun cannot remove the old container ${instance}: ${result.stderr.trim()}`);
    }
  }

  async #ensureRecord(instance: string, spec: ComponentSpec, image: StoredImage): Promise<ContainerRecord> {
    const name = componentOf(instance);
    const old = loadRecord(instance);
    const key = specKey(spec);
    if (old?.specKey === key) return old;
    await discardRootfs(instance);
    const config = configOf(spec, image);
    const record: ContainerRecord = {
      id: containerId(name, spec.image.digest, loadRecord(otherInstance(instance))?.id),
      name,
      spec,
      kind: spec.kind,
      image: spec.image,
      specKey: key,
      createdAt: new Date().toISOString(),
      imageConfig: image.config.config ?? {},
      config,
      args: argumentsOf(image.config, config),
      env: environmentOf(image.config, config),
    };
    await mkdir(containerPaths(instance).folder, { recursive: true, mode: 0o711 });
    saveRecord(instance, record);
    return record;
  }
}

/** The image's own defaults with the OS definition over them. Throws when the image's label is not a configuration. */
export function configOf(spec: ComponentSpec, image: Pick<StoredImage, 'config'>): ComponentConfig {
  const label = image.config.config?.Labels?.[configLabel];
  if (label === undefined) return mergeConfig({}, spec.config);
  let fromLabel: ComponentConfig;
  try {
    fromLabel = componentConfigSchema.parse(JSON.parse(label));
  } catch (error) {
    throw new Error(`the label ${configLabel} of image ${spec.image.ref} is not valid: ${(error as Error).message}`);
  }
  return mergeConfig(fromLabel, spec.config);
}

/** Whether the program itself says when it is ready. */
export function saysWhenReady({ healthcheck }: ComponentConfig): boolean {
  return healthcheck?.ready === true && healthcheck.disable !== true;
}

async function listenForReady(instance: string, listener: Created['listener']): Promise<DatagramSocket> {
  const { notify, notifySocket } = containerPaths(instance);
  await mkdir(notify, { recursive: true, mode: 0o755 });
  const socket = await DatagramSocket.bind(notifySocket, (message) => listener.hear(message));
  // For a program of any user.
  await chmod(notifySocket, 0o666);
  return socket;
}

/** The exit code conmon left for the container's last run; undefined when it left none. */
export function readExitCode(instance: string): number | undefined {
  try {
    const code = Number.parseInt(readFileSync(containerPaths(instance).exit, 'utf8'), 10);
    return Number.isInteger(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Before a start: an exit file that is there later is that start's own. */
export function forgetExit(instance: string): void {
  rmSync(containerPaths(instance).exit, { force: true });
}

export function wasOomKilled(instance: string): boolean {
  return statSync(containerPaths(instance).oom, { throwIfNoEntry: false }) !== undefined;
}

async function identifyFile(path: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^\d+\s*$/.test(text) ? identify(Number(text)) : undefined;
}

/** A cgroup that the definition names belongs to one container; what is in it ends with that one. */
function inOwnCgroup(config: ComponentConfig, instance: string): ComponentConfig {
  const { cgroupsPath } = config;
  const second = instance !== componentOf(instance);
  return cgroupsPath === undefined || !second ? config : { ...config, cgroupsPath: `${cgroupsPath}.2` };
}

/** LinuxKit's `runtime`: folders and cgroups that must exist before the container starts. */
async function prepareHost(config: ComponentConfig): Promise<void> {
  const wanted = config.runtime?.mkdir ?? [];
  const folders = distribution === undefined ? wanted : wanted.map((folder) => machinePath(folder));
  if (folders.length > 0) await runOnHostOrThrow(['busybox', 'mkdir', '-p', '--', ...folders]);
  for (const cgroup of config.runtime?.cgroups ?? []) {
    await mkdir(`/sys/fs/cgroup/${cgroup.replace(/^\/+/, '')}`, { recursive: true });
  }
}

/** Without the limits that this machine cannot keep, as Docker does it: a warning says so, and the container runs. */
async function withinLimits(name: string, spec: OciSpec): Promise<OciSpec> {
  const { kept, lost } = keepableLimits(spec.linux.resources, await availableControllers());
  if (lost.length === 0) return spec;
  journal(
    `${name}: its limits of ${lost.join(', ')} are not kept: cgroup v2 of this machine has no controllers for them`,
  );
  return { ...spec, linux: { ...spec.linux, resources: kept } };
}

/** Type and numbers of a device node. glibc's encoding of st_rdev. */
function lookupDevice(path: string): { type: string; major: number; minor: number } | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (!stat || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  const { rdev } = stat;
  return {
    type: stat.isBlockDevice() ? 'b' : 'c',
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & ~0xffn & 0xffffffffn)),
  };
}
