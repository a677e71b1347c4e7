import { mkdir, rm, rmdir } from 'node:fs/promises';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { ImageStore } from '../store/types.ts';
import { createContainer, type Materials, type Started } from './create.ts';
import { forgetExit } from './exits.ts';
import { configOf } from './image-config.ts';
import { ListenSockets } from './listen-sockets.ts';
import { cgroupRoot, conmonCgroup, containerPaths, logsFolder } from './paths.ts';
import { Prepared } from './prepared.ts';
import { removeRecord } from './record.ts';
import { discardRootfs } from './rootfs.ts';
import { type ContainerProcesses, findStarted, letRun, removeFromRuntime } from './runtime.ts';
import type { Volumes } from './volumes.ts';

/** Makes, starts and removes containers with crun and conmon. Knows nothing of wishes, restarts or health. */
export class Engine {
  readonly #materials: Materials;
  readonly #prepared = new Prepared();

  constructor(store: ImageStore, volumes: Volumes) {
    this.#materials = { store, volumes, sockets: new ListenSockets() };
  }

  /** Makes the folders that conmon and the supervisor need, and finds the sockets that are open already. */
  async open(): Promise<void> {
    for (const folder of [devicePaths.containers, devicePaths.exits, logsFolder]) {
      await mkdir(folder, { recursive: true, mode: 0o755 });
    }
    await this.#materials.sockets.adopt();
  }

  /**
   * Makes a new container with a new writable layer and stops short of letting it run: what is left is its program's own
   * time. Rejects with a sentence when the image, the configuration or the runtime is at fault; nothing is left then.
   */
  async prepare(instance: string, spec: ComponentSpec): Promise<void> {
    if (await this.#prepared.isAlive(instance, spec)) return;
    await this.discard(instance);
    try {
      this.#prepared.keep(instance, await createContainer(instance, spec, this.#materials));
    } catch (error) {
      // What cannot be removed now is removed before the next one is made.
      await this.forget(instance).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Starts a container, on its old writable layer if it was made from the same image and configuration; one that was
   * prepared from them only has to be let run. Rejects with a sentence when the image, the configuration or the runtime is
   * at fault; nothing is left running then. `onNotify` gets what the program says on its socket, if its health check is
   * `ready`.
   */
  async start(instance: string, spec: ComponentSpec, onNotify: (message: Buffer) => void): Promise<Started> {
    const prepared = await this.#prepared.take(instance, spec);
    const { started, listener } = prepared ?? (await createContainer(instance, spec, this.#materials));
    listener.hear = onNotify;
    try {
      await letRun(instance);
      return started;
    } catch (error) {
      started.notify?.close();
      await removeFromRuntime(instance);
      throw error;
    }
  }

  /** Whether a container waits to be let run, made from this specification if one is given. */
  isPrepared(instance: string, spec?: ComponentSpec): boolean {
    return this.#prepared.has(instance, spec);
  }

  /** Whether the device holds sockets at all. */
  get holdsSockets(): boolean {
    return this.#materials.sockets.addresses.length > 0;
  }

  /** Closes the sockets that no component lists any more. */
  async keepSockets(configs: ComponentConfig[]): Promise<void> {
    await this.#materials.sockets.keepOnly(new Set(configs.flatMap(({ listen = [] }) => listen)));
  }

  /** See `findStarted` in runtime.ts. */
  findStarted(instance: string): Promise<ContainerProcesses | 'exited' | undefined> {
    return findStarted(instance);
  }

  /** The configuration a component would be started with. Rejects when its image is missing or its label is not valid. */
  async configFor(spec: ComponentSpec): Promise<ComponentConfig> {
    return configOf(spec, await this.#materials.store.get(spec.image.digest));
  }

  /** What is left after the container's first process ended: its other processes, its cgroup, crun's state. */
  cleanUp(instance: string): Promise<void> {
    return removeFromRuntime(instance);
  }

  /** Forgets the container and its writable layer. */
  async discard(instance: string): Promise<void> {
    this.#prepared.drop(instance);
    await removeFromRuntime(instance);
    await discardRootfs(instance);
    removeRecord(instance);
    forgetExit(instance);
  }

  /** Forgets everything about a container that is no more, except its log. */
  async forget(instance: string): Promise<void> {
    await this.discard(instance);
    await rm(containerPaths(instance).folder, { recursive: true, force: true });
    // conmon, which ends a moment after the container, is in a cgroup that nobody else removes.
    await rmdir(`${cgroupRoot}${conmonCgroup(instance)}`).catch(() => undefined);
  }
}
