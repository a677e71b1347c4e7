import { rmSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { DatagramSocket } from '../native/datagram.ts';
import { hostPath } from '../native/host-command.ts';
import { identify } from '../native/processes.ts';
import type { ImageStore, StoredImage } from '../store/types.ts';
import { argumentsOf, environmentOf } from './bundle.ts';
import { createUnderConmon } from './conmon.ts';
import { configOf, saysWhenReady } from './image-config.ts';
import { defaultPidsLimit, limitsOf } from './limits.ts';
import type { ListenSockets } from './listen-sockets.ts';
import { appendToLog } from './log-append.ts';
import { componentOf, containerPaths, otherInstance } from './paths.ts';
import { type ContainerRecord, containerId, loadRecord, saveRecord, specKey } from './record.ts';
import { discardRootfs, mountRootfs } from './rootfs.ts';
import { type ContainerProcesses, findConmon, removeFromRuntime } from './runtime.ts';
import type { Volumes } from './volumes.ts';
import { prepareHost, writeBundle } from './write-bundle.ts';

/** What containers are made from. */
export interface Materials {
  store: ImageStore;
  volumes: Volumes;
  sockets: ListenSockets;
}

/** A container with its processes. */
export interface Started extends ContainerProcesses {
  record: ContainerRecord;
  /** Where the program says that it is ready, if its health check waits for that. */
  notify?: DatagramSocket | undefined;
}

/** A container that waits to be let run. */
export interface Created {
  started: Started;
  /** Gets what the program says on its socket. */
  listener: { hear: (message: Buffer) => void };
}

/**
 * Makes a container under a conmon of its own and stops short of letting it run; on its old writable layer if it was made
 * from the same image and configuration. Rejects with a sentence when one of these is at fault; nothing runs then.
 */
export async function createContainer(instance: string, spec: ComponentSpec, materials: Materials): Promise<Created> {
  await removeFromRuntime(instance);
  const image = await materials.store.get(spec.image.digest);
  let record = await ensureRecord(instance, spec, image);
  const { exit, oom, rootfs, pidFile, conmonPidFile } = containerPaths(instance);
  for (const file of [exit, oom, pidFile, conmonPidFile]) rmSync(file, { force: true });

  await prepareHost(record.config);
  await mountRootfs(instance, image.layers);
  const volumes = await materials.volumes.prepareVolumes(spec, record.config, hostPath(rootfs));
  const defaultPids = await defaultPidsLimit();
  record = { ...record, volumes: Object.fromEntries(volumes), limits: limitsOf(record.config, defaultPids) };
  saveRecord(instance, record);
  const { config } = record;
  const listener: Created['listener'] = { hear: () => undefined };
  const notify = saysWhenReady(config) ? await listenForReady(instance, listener) : undefined;
  try {
    await writeBundle(instance, { image, config, volumes, defaultPids, notify: notify !== undefined });
    await appendToLog(otherInstance(instance));
    const sockets = await materials.sockets.open(config.listen ?? []);
    const pid = await createUnderConmon(instance, record.id, { sockets, held: notify ? [notify.fd] : [] });
    const process = await identify(pid);
    if (!process) throw new Error('the container ended before it was started');
    return { started: { record, process, conmon: await findConmon(instance), notify }, listener };
  } catch (error) {
    notify?.close();
    await removeFromRuntime(instance);
    throw error;
  }
}

async function ensureRecord(instance: string, spec: ComponentSpec, image: StoredImage): Promise<ContainerRecord> {
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

async function listenForReady(instance: string, listener: Created['listener']): Promise<DatagramSocket> {
  const { notify, notifySocket } = containerPaths(instance);
  await mkdir(notify, { recursive: true, mode: 0o755 });
  const socket = await DatagramSocket.bind(notifySocket, (message) => listener.hear(message));
  // For a program of any user.
  await chmod(notifySocket, 0o666);
  return socket;
}
