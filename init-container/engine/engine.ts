import { readFileSync, rmSync, statSync } from 'node:fs';
import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import {
  type ComponentConfig,
  componentConfigSchema,
  configLabel,
  mergeConfig,
} from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { replaceFile } from '../native/atomic-file.ts';
import { identify, isRunning, type ProcessIdentity } from '../native/processes.ts';
import { runOnHost, runOnHostOrThrow } from '../native/run.ts';
import type { ImageStore, StoredImage } from '../store/types.ts';
import { argumentsOf, bundleSpec, environmentOf } from './bundle.ts';
import { availableCapabilities } from './capabilities.ts';
import { createUnderConmon } from './conmon.ts';
import { resolveUser } from './image-user.ts';
import { ListenSockets } from './listen-sockets.ts';
import { appendToLog } from './log-append.ts';
import { ociJson } from './oci-spec.ts';
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

export interface Started {
  record: ContainerRecord;
  process: ProcessIdentity;
  conmon: ProcessIdentity | undefined;
}

/** Makes, starts and removes containers with crun and conmon. Knows nothing of wishes, restarts or health. */
export class Engine {
  readonly #store: ImageStore;
  readonly #sockets = new ListenSockets();
  /** Containers that were created and wait to be let run. */
  readonly #prepared = new Map<string, Started>();

  constructor(store: ImageStore) {
    this.#store = store;
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
   * at fault; nothing is left running then.
   */
  async start(instance: string, spec: ComponentSpec): Promise<Started> {
    const created = (await this.#takePrepared(instance, spec)) ?? (await this.#create(instance, spec));
    try {
      await runOnHostOrThrow(['crun', 'start', instance], { timeoutMs: 60_000 });
      return created;
    } catch (error) {
      await this.#removeFromRuntime(instance);
      throw error;
    }
  }

  /** Whether a container waits to be let run, made from this specification if one is given. */
  isPrepared(instance: string, spec?: ComponentSpec): boolean {
    const prepared = this.#prepared.get(instance);
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

  async #takePrepared(instance: string, spec: ComponentSpec, { keep = false } = {}): Promise<Started | undefined> {
    const prepared = this.#prepared.get(instance);
    if (!prepared || prepared.record.specKey !== specKey(spec)) return undefined;
    if (!keep) this.#prepared.delete(instance);
    return (await isRunning(prepared.process)) ? prepared : undefined;
  }

  async #create(instance: string, spec: ComponentSpec): Promise<Started> {
    await this.#removeFromRuntime(instance);
    const image = await this.#store.get(spec.image.digest);
    const record = await this.#ensureRecord(instance, spec, image);
    const { exit, oom, spec: specFile, rootfs, pidFile, conmonPidFile } = containerPaths(instance);
    for (const file of [exit, oom, pidFile, conmonPidFile]) rmSync(file, { force: true });

    await prepareHost(record.config);
    await mountRootfs(instance, image.layers);
    const ociSpec = bundleSpec({
      image: image.config,
      config: inOwnCgroup(record.config, instance),
      user: await resolveUser(image.config.config?.User, image.layers),
      rootfs,
      cgroup: containerCgroup(instance),
      capabilities: await availableCapabilities(),
      lookupDevice,
    });
    await replaceFile(specFile, ociJson(ociSpec));
    await appendToLog(otherInstance(instance));
    const pid = await createUnderConmon(instance, record.id, await this.#sockets.open(record.config.listen ?? []));
    const process = await identify(pid);
    if (!process) {
      await this.#removeFromRuntime(instance);
      throw new Error('the container ended before it was started');
    }
    return { record, process, conmon: await identifyFile(conmonPidFile) };
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

/** The exit code conmon left for the container's last run; undefined when it left none. */
export function readExitCode(instance: string): number | undefined {
  try {
    const code = Number.parseInt(readFileSync(containerPaths(instance).exit, 'utf8'), 10);
    return Number.isInteger(code) ? code : undefined;
  } catch {
    return undefined;
  }
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
  const folders = config.runtime?.mkdir ?? [];
  if (folders.length > 0) await runOnHostOrThrow(['busybox', 'mkdir', '-p', '--', ...folders]);
  for (const cgroup of config.runtime?.cgroups ?? []) {
    await mkdir(`/sys/fs/cgroup/${cgroup.replace(/^\/+/, '')}`, { recursive: true });
  }
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
