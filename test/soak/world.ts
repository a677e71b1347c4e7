import { setTimeout as delay } from 'node:timers/promises';
import { connectDevice } from '../../src/device/connect.ts';
import type { Device } from '../../src/device/device.ts';
import type { ComponentStatus, DeviceInfo } from '../../src/shared/api/types.ts';
import type { Arch } from '../../src/shared/oci/types.ts';
import { boot, type Machine } from '../e2e/support/machine.ts';
import { until } from '../e2e/support/until.ts';

const connectLimitMs = 180_000;

/** The machine under test and the one connection to it; both are new after a power cut, the data disk is not. */
export class World {
  readonly #arch: Arch;
  readonly #image: string;
  #machine: Machine | undefined;
  #device: Device | undefined;
  /** What consoles of machines that were cut off had printed last. */
  #lastConsole = '';
  /** The images that the web server was found to have, ever. */
  readonly inForce = new Set<string>();
  /** What there was at the first convergence of this boot: nothing may grow. */
  afterBoot: { mounts: number; loops: number; files: number; memory: number } | undefined;
  /** Private bytes of the init container: the most there ever were. */
  mostMemory = 0;

  constructor(arch: Arch, image: string) {
    this.#arch = arch;
    this.#image = image;
  }

  get machine(): Machine {
    if (this.#machine === undefined) throw new Error('there is no machine');
    return this.#machine;
  }

  get device(): Device {
    if (this.#device === undefined) throw new Error('the device is not connected');
    return this.#device;
  }

  async start(data: true | 'keep'): Promise<void> {
    const name = `soak-${this.#arch}`;
    this.afterBoot = undefined;
    this.#machine = await boot(this.#arch, 'ssh', { name, data, image: this.#image, cpus: 2 });
    this.#device = await connectDevice(this.#machine.target, { patienceMs: connectLimitMs });
  }

  /** As when the plug is pulled: QEMU gets no chance to write anything. The same data disk goes into the next machine. */
  async cutPower(): Promise<void> {
    const { emulator } = this.machine;
    process.kill(emulator.instance.pid, 'SIGKILL');
    await emulator.exited;
    await this.stop();
    await this.start('keep');
  }

  async stop(): Promise<void> {
    await this.#device?.close();
    this.#device = undefined;
    if (this.#machine !== undefined) this.#lastConsole = this.#machine.console();
    await this.#machine?.stop();
    this.#machine = undefined;
  }

  console(): string {
    return this.#machine?.console() ?? this.#lastConsole;
  }

  async component(name: string): Promise<ComponentStatus> {
    const found = (await this.device.components()).find((component) => component.name === name);
    if (found === undefined) throw new Error(`the device has no component ${name}`);
    return found;
  }

  /** Asked until the connection, which an action may have broken, is back. */
  info(): Promise<DeviceInfo> {
    return until('the device to answer', connectLimitMs / 1000, () => this.device.info());
  }

  pause(ms: number): Promise<void> {
    return delay(ms);
  }
}
