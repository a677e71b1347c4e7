import { join } from 'node:path';
import { specKey } from '../../init-container/engine/record.ts';
import { buildOs } from '../../src/compose/build-os.ts';
import { connectDevice } from '../../src/device/connect.ts';
import type { Device } from '../../src/device/device.ts';
import { hostArch } from '../../src/emulator/index.ts';
import type { SwapEvent } from '../../src/shared/api/types.ts';
import { progressTo, type Say } from '../e2e/support/compose.ts';
import { boot, type Machine } from '../e2e/support/machine.ts';
import { root, work } from '../e2e/support/paths.ts';
import { until } from '../e2e/support/until.ts';
import { onDevice } from '../support/on-device.ts';

/** A story on a booted machine, and a point of it (init-container/native/fault-point.ts) at which the machine is reset. */
export interface ResetMoment {
  story: ResetStory;
  point: string;
  /** Which passing of it. */
  nth: number;
}

export type ResetStory = 'a swap' | 'a swap that fails' | 'a rollback';
export const resetStories: readonly ResetStory[] = ['a swap', 'a swap that fails', 'a rollback'];

/** What the device came up in. */
export type ResetOutcome = 'old' | 'new' | 'not passed';

const orders = '/run/gantry/faults';
const points = '/run/gantry/points';
/** Files below /run: empty after a reset anyway. */
const inMemory = /\b(state|container)\.json\b/;
const resetLimit = 150;

/** A machine with a data partition that is reset, as by a watchdog, in the middle of swaps. */
export class ResetMachine {
  readonly #machine: Machine;
  readonly #device: Device;

  private constructor(machine: Machine, device: Device) {
    this.#machine = machine;
    this.#device = device;
  }

  static async boot(name: string, say: Say): Promise<ResetMachine> {
    const paths = ['test/killed/device.yml', 'images/core.yml', 'test/killed/faults.yml'];
    const definitions = paths.map((path) => join(root, path));
    const arch = hostArch();
    const image = join(work, `${name}-${arch}`);
    await buildOs({ definitions, arch, outDir: image, relockGone: true, onProgress: progressTo(say) });
    const machine = await boot(arch, 'serial', { name, data: true, image });
    await machine.untilHealthy();
    return new ResetMachine(machine, await connectDevice(machine.target));
  }

  async stop(): Promise<void> {
    await this.#device.close();
    await this.#machine.stop();
  }

  /** Lets a story happen once, and tells what it passes that is on the disk. */
  async record(story: ResetStory, run: number): Promise<ResetMoment[]> {
    await this.#order({ action: 'record', to: points });
    const last = (await this.#tell(story, run)).at(-1);
    const passed = await onDevice(this.#device, `rm ${orders}; cat ${points}; rm ${points}`);
    if (last?.stage !== (story === 'a swap that fails' ? 'failed' : 'done')) {
      throw new Error(`${story} ended with ${last?.stage}: ${last?.message}`);
    }
    const counts = new Map<string, number>();
    return passed.split('\n').flatMap((point) => {
      if (point === '' || inMemory.test(point)) return [];
      const nth = (counts.get(point) ?? 0) + 1;
      counts.set(point, nth);
      return [{ story, point, nth }];
    });
  }

  /** Lets a story happen, resets the machine at the moment, and expects the old or the new revision, whole. */
  async resetAt({ story, point, nth }: ResetMoment, run: number): Promise<ResetOutcome> {
    const before = await this.#ask(() => this.#device.info());
    const newest = (await this.#ask(() => this.#device.revisions())).revisions[0]?.number ?? 0;
    await this.#order({ action: 'reboot', point, nth });
    const told = await this.#tell(story, run).catch(() => []);
    if (told.at(-1)?.stage !== undefined && (await this.#isOrdered())) return 'not passed';
    const after = await until('the device to boot again', resetLimit, async () => {
      const info = await this.#device.info();
      return info.bootId !== before.bootId && info;
    });
    await this.#untilHealthy();
    const { current, revisions } = await this.#ask(() => this.#device.revisions());
    const isOld = current === before.revision.number;
    expectThat(isOld || current > newest, `revision ${current} is in force, after ${before.revision.number}`);
    expectThat(after.revision.number === current, `info says revision ${after.revision.number}, not ${current}`);
    expectThat(!revisions.some(({ state }) => state === 'trying'), 'a revision is neither taken nor given up');
    const wanted = (await this.#ask(() => this.#device.revision(current))).components.web;
    const web = (await this.#ask(() => this.#device.components())).find(({ name }) => name === 'web');
    expectThat(
      wanted !== undefined && web?.spec === specKey(wanted),
      `web runs something else: ${JSON.stringify(web)}`,
    );
    return isOld ? 'old' : 'new';
  }

  /** A busy machine may leave its line alone for a while. */
  #ask<T>(question: () => Promise<T>): Promise<T> {
    return until('the device to answer', resetLimit, question);
  }

  async #untilHealthy(): Promise<void> {
    await until('every component to be healthy', resetLimit, async () => {
      const all = (await this.#device.components()).filter(({ kind }) => kind === 'service');
      return all.every(({ state, health }) => state === 'running' && (health === 'healthy' || health === 'none'));
    });
  }

  async #tell(story: ResetStory, run: number): Promise<SwapEvent[]> {
    const env = [{ name: 'RUN', value: String(run) }];
    const broken = { healthcheck: { tcp: '127.0.0.1:9', interval: '100ms', retries: 1, start_period: '0s' } };
    const config = story === 'a swap' ? { env } : { env, fields: broken };
    const events: SwapEvent[] = [];
    const following =
      story === 'a rollback'
        ? this.#device.rollback({ name: 'web' })
        : this.#device.swap([{ name: 'web', config }], { retry: true });
    for await (const event of following) events.push(event);
    return events;
  }

  async #order(what: object): Promise<void> {
    await this.#ask(() => onDevice(this.#device, `printf %s '${JSON.stringify(what)}' >${orders}`));
  }

  async #isOrdered(): Promise<boolean> {
    return (
      (await this.#ask(() => onDevice(this.#device, `if [ -e ${orders} ]; then echo yes; rm ${orders}; fi`))) !== ''
    );
  }
}

function expectThat(is: boolean, otherwise: string): void {
  if (!is) throw new Error(otherwise);
}
