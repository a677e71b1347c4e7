import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildComponent } from '../../../src/compose/component/build.ts';
import { OciLayout } from '../../../src/compose/oci/layout.ts';
import { connectDevice } from '../../../src/device/connect.ts';
import type { Device } from '../../../src/device/device.ts';
import { dataDiskPath, ensureDataDisk } from '../../../src/emulator/index.ts';
import type { SwapEvent } from '../../../src/shared/api/types.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';
import type { Say } from '../../e2e/support/compose.ts';
import { boot, type Machine } from '../../e2e/support/machine.ts';
import { ociDir, root } from '../../e2e/support/paths.ts';
import { Random } from '../random.ts';
import { countRecorded, type Recorded, readWriteLog } from './write-log.ts';

/** What the device had promised at one moment of the recording. */
export interface Promised {
  /** How many requests of the disk were recorded when the host read the swap's last event. */
  after: number;
  /** The revision in force from then on. */
  revision: number;
  image: string;
  what: string;
}

export interface Recording {
  requests: Recorded[];
  logPath: string;
  /** The data disk when recording began, and at its end. */
  before: string;
  end: string;
  promises: Promised[];
}

export interface RecordOptions {
  arch: Arch;
  image: string;
  /** Name of the emulator. */
  name: string;
  /** Existing folder; what is recorded is left there. */
  folder: string;
  seed: number;
  /** How often the whole story is told. */
  rounds: number;
  say: Say;
}

const dataBytes = 64 << 20;

/** Boots a device on a new data disk and records what it writes there during swaps and rollbacks. */
export async function record(options: RecordOptions): Promise<Recording> {
  const { name, folder, say } = options;
  const [before, end, logPath] = ['before.img', 'end.img', 'writes.log'].map((file) => join(folder, file)) as [
    string,
    string,
    string,
  ];
  await buildLargeWeb(options);
  rmSync(dataDiskPath(name), { force: true });
  const { path: disk } = await ensureDataDisk(name, dataBytes);
  copyFileSync(disk, before);
  const machine = await boot(options.arch, 'ssh', { name, data: 'keep', image: options.image, dataWriteLog: logPath });
  let device: Device | undefined;
  try {
    device = await connectDevice(machine.target, { patienceMs: 180_000 });
    await machine.untilHealthy();
    const promises: Promised[] = [{ after: countRecorded(logPath), revision: 0, image: 'web:1', what: 'boot' }];
    for (let round = 0; round < options.rounds; round++) await tell(device, machine, logPath, promises, say);
    await device.close();
    device = undefined;
    process.kill(machine.emulator.instance.pid, 'SIGKILL');
    await machine.emulator.exited;
    copyFileSync(disk, end);
    return { requests: readWriteLog(logPath), logPath, before, end, promises };
  } finally {
    await device?.close();
    await machine.stop();
    rmSync(dataDiskPath(name), { force: true });
  }
}

/** Swaps with much and with little to send, a swap that fails, rollbacks of a component and of the whole. */
async function tell(device: Device, machine: Machine, logPath: string, promises: Promised[], say: Say): Promise<void> {
  const steps: [string, () => AsyncIterable<SwapEvent>][] = [
    ['swap to web:large', () => device.swap([{ name: 'web', image: machine.web('large') }])],
    ['swap to web:2', () => device.swap([{ name: 'web', image: machine.web('2') }])],
    ['swap to web:broken', () => device.swap([{ name: 'web', image: machine.web('broken') }], { retry: true })],
    ['rollback of web', () => device.rollback({ name: 'web' })],
    ['rollback to revision 0', () => device.rollback({ revision: 0 })],
    ['swap to web:2 again', () => device.swap([{ name: 'web', image: machine.web('2') }])],
    ['rollback', () => device.rollback({})],
  ];
  for (const [what, begin] of steps) {
    let last: SwapEvent | undefined;
    for await (const event of begin()) last = event;
    const after = countRecorded(logPath);
    const revision = last?.revision;
    if (last === undefined || revision === undefined) throw new Error(`${what} had no end`);
    const image = (await device.revision(revision)).components.web?.image.ref ?? 'none';
    promises.push({ after, revision, image, what });
    say(`${what}: ${last.stage}, revision ${revision} (${image}) after ${after} requests`);
  }
}

/** web:2 with a layer that takes the disk a while: many files, some of them large, none of them compressible. */
async function buildLargeWeb({ arch, folder, seed }: RecordOptions): Promise<void> {
  const random = new Random(seed);
  const text = (length: number) => {
    let made = '';
    while (made.length < length) made += Math.floor(random.next() * 2 ** 32).toString(36);
    return made.slice(0, length);
  };
  const sizes = Array.from({ length: 60 }, (_, index) => (index % 10 === 0 ? 300_000 : 3000));
  const files = sizes.map((size, index) => ({ path: `/srv/www/large/${index}`, contents: text(size) }));
  const recipe = {
    image: 'web:large',
    description: 'nginx with much beside it',
    from: join(root, 'images/web-2'),
    files,
  };
  const dir = join(folder, 'web-large');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'recipe.yml'), JSON.stringify(recipe));
  await buildComponent(dir, arch, { layout: new OciLayout(ociDir(arch)), relockGone: true });
}
