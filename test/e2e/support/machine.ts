import { readFileSync, rmSync } from 'node:fs';
import { connectDevice } from '../../../src/device/connect.ts';
import type { Device } from '../../../src/device/device.ts';
import {
  boardOfImage,
  dataDiskPath,
  type Emulator,
  type EmulatorOptions,
  ensureDataDisk,
  ensureWholeDisk,
  loadImage,
  startEmulator,
  wholeDiskPath,
} from '../../../src/emulator/index.ts';
import type { ComponentStatus, DeviceInfo } from '../../../src/shared/api/types.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';
import { imageDir, ociDir, testEnvironment } from './paths.ts';
import { until } from './until.ts';

Object.assign(process.env, testEnvironment);

export type Via = 'ssh' | 'serial';

/** A demo device in QEMU, reached as `target`. */
export interface Machine {
  emulator: Emulator;
  target: string;
  arch: Arch;
  /** The image of a tag, as `swap` takes it: `web('2')`. */
  web(tag: string): string;
  /** What the web server answers, asked from the host. Only with a network. */
  page(): Promise<string>;
  components(): Promise<ComponentStatus[]>;
  info(): Promise<DeviceInfo>;
  component(name: string): Promise<ComponentStatus>;
  untilHealthy(seconds?: number): Promise<ComponentStatus[]>;
  console(): string;
  stop(): Promise<void>;
}

export interface BootOptions {
  name: string;
  /** A new data disk, or the one that an earlier machine of this name left. */
  data?: boolean | 'keep';
  /** See `EmulatorOptions`. */
  dataWriteLog?: string;
  /** By default the one that the tests compose. */
  image?: string;
  /** By default one: two machines at a time have two processors of this host for them. */
  cpus?: number;
  /** See `EmulatorOptions`. */
  beforeBoot?: EmulatorOptions['beforeBoot'];
}

export async function boot(arch: Arch, via: Via, options: BootOptions): Promise<Machine> {
  const image = options.image ?? imageDir(arch);
  const dataDisk = options.data ? await dataDiskFor(options.name, image, options.data === 'keep') : undefined;
  const emulator = await startEmulator({
    imageDir: image,
    name: options.name,
    memory: 512,
    cpus: options.cpus ?? 1,
    serialOnly: via === 'serial',
    ports: via === 'serial' ? [] : [{ guest: 80 }],
    detach: false,
    ...(dataDisk === undefined ? {} : { dataDisk }),
    ...(options.dataWriteLog === undefined ? {} : { dataWriteLog: options.dataWriteLog }),
    ...(options.beforeBoot === undefined ? {} : { beforeBoot: options.beforeBoot }),
  });
  const target = `qemu:${options.name}?via=${via}`;
  // In this process: asking again and again through a new process each time would take half of the processor's time.
  const connected = async <T>(work: (device: Device) => Promise<T>, seconds = 60): Promise<T> => {
    const device = await connectDevice(target, { patienceMs: seconds * 1000 });
    try {
      return await work(device);
    } finally {
      await device.close();
    }
  };
  const machine: Machine = {
    emulator,
    target,
    arch,
    web: (tag) => `oci:${ociDir(arch)}:web:${tag}`,
    page: async () => {
      const response = await fetch(`http://127.0.0.1:${emulator.instance.ports['80']}/`);
      return response.text();
    },
    components: () => connected((device) => device.components()),
    info: () => connected((device) => device.info()),
    component: async (name) => {
      const found = (await machine.components()).find((component) => component.name === name);
      if (found === undefined) throw new Error(`there is no ${name}`);
      return found;
    },
    untilHealthy: (seconds = 120) =>
      connected(
        (device) =>
          until('every component to be healthy', seconds, async () => {
            const all = await device.components();
            const ill = all.filter((c) => c.state !== 'running' || (c.health !== 'healthy' && c.health !== 'none'));
            if (ill.length > 0)
              throw new Error(ill.map((c) => `${c.name} ${c.state} ${c.health} ${c.detail ?? ''}`).join('; '));
            return all;
          }),
        seconds,
      ),
    console: () => readFileSync(emulator.instance.consoleLog, 'utf8'),
    stop: () => emulator.stop(),
  };
  return machine;
}

async function dataDiskFor(name: string, imageDir: string, keep: boolean): Promise<string> {
  const image = loadImage(imageDir);
  if (boardOfImage(image).boots !== 'root-image') {
    if (!keep) rmSync(wholeDiskPath(name), { force: true });
    return (await ensureWholeDisk(name, image, 512 << 20)).path;
  }
  if (!keep) rmSync(dataDiskPath(name), { force: true });
  return (await ensureDataDisk(name, 256 << 20)).path;
}
