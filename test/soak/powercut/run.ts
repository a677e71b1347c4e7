import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Arch } from '../../../src/shared/oci/types.ts';
import type { Say } from '../../e2e/support/compose.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { Random } from '../random.ts';
import { expectBoots } from './boots.ts';
import { allowedAfter, expectRecovers, mounted, mountFactory, sealsIn } from './check.ts';
import { record } from './record.ts';
import { type Fate, fates, lastFlush, Replay } from './replay.ts';

export interface PowerCutOptions {
  arch: Arch;
  /** Folder of the composed image. */
  image: string;
  seed: number;
  /** How many disks are made and recovered, and how many of them are booted too. */
  prefixes: number;
  boots: number;
  /** How often swaps and rollbacks are recorded one after the other. */
  rounds: number;
  say: Say;
}

export interface PowerCutResult {
  requests: number;
  flushes: number;
  promises: number;
  checked: Record<Fate, number>;
  booted: number;
  /** How many unflushed writes there were at the cuts, and how many of them were left out. */
  unflushed: number;
  dropped: number;
  /** One line for each disk that did not come up as it must. */
  wrong: string[];
}

/**
 * Records what a device writes to its data disk during swaps and rollbacks, and tries what becomes of it when the power
 * is cut: the store's recovery runs on each disk, in this process, and some are booted. Needs root, for loop mounts.
 */
export async function cutPowerManyTimes(options: PowerCutOptions, atEnd: AtEnd): Promise<PowerCutResult> {
  const { arch, image, seed, say } = options;
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gantry-powercut-'));
  atEnd.add(() => rmSync(folder, { recursive: true, force: true }));
  const random = new Random(seed);
  const recording = await record({ ...options, name: `powercut-${arch}`, folder });
  const { requests, logPath, before, promises } = recording;
  const factory = await mountFactory(image, join(folder, 'root'), atEnd);
  const data = join(folder, 'data');
  const seals = await mounted(recording.end, data, 'loop', async () => sealsIn(data));
  const cuts = chooseCuts(requests.length, options.prefixes, random);
  const toBoot = new Set(chooseCuts(cuts.length, options.boots, random));
  const result: PowerCutResult = {
    requests: requests.length,
    flushes: requests.filter(({ kind }) => kind === 'flush').length,
    promises: promises.length,
    checked: { all: 0, flushed: 0, some: 0, shuffled: 0 },
    booted: 0,
    unflushed: 0,
    dropped: 0,
    wrong: [],
  };
  say(`${result.requests} requests with ${result.flushes} flushes; replaying ${cuts.length} power cuts, seed ${seed}`);
  const [disk, bootDisk] = [join(folder, 'disk.img'), join(folder, 'boot.img')];
  const replay = new Replay(requests, logPath, before, join(folder, 'base.img'));
  const kept = join(folder, '..', `gantry-powercut-wrong-${seed}`);
  const failed = (what: string, error: unknown) => {
    result.wrong.push(`${what}: ${(error as Error).message}`);
    mkdirSync(kept, { recursive: true });
    copyFileSync(bootDisk, join(kept, `${result.wrong.length}.img`));
    say(`WRONG ${what}: ${(error as Error).message}\nthe disk is kept as ${join(kept, `${result.wrong.length}.img`)}`);
  };
  for (const [index, cut] of cuts.entries()) {
    const fate = random.pick(fates);
    const { unflushed, kept: survived } = await replay.make(cut, fate, random, disk);
    copyFileSync(disk, bootDisk);
    const allowed = allowedAfter(recording, cut);
    const numbers = [...new Set(allowed.map(({ revision }) => revision))].join(' or ');
    const what = `cut ${cut} (${fate}, ${survived} of ${unflushed} unflushed writes; revision ${numbers} allowed)`;
    result.unflushed += unflushed;
    result.dropped += unflushed - survived;
    result.checked[fate] += 1;
    try {
      await mounted(disk, data, 'loop', () => expectRecovers(data, allowed, { arch, factory, seals }));
    } catch (error) {
      failed(what, error);
    }
    if (toBoot.has(index)) {
      try {
        const revision = await expectBoots({ arch, image, name: `powercut-${arch}` }, bootDisk, allowed);
        result.booted += 1;
        say(`boot ${result.booted} of ${toBoot.size}: ${what}: healthy in revision ${revision}`);
      } catch (error) {
        failed(`boot after ${what}`, error);
      }
    }
    if ((index + 1) % 100 === 0) say(`${index + 1} of ${cuts.length} cuts, ${result.wrong.length} wrong`);
  }
  replay.close();
  say(`certain at the end: ${lastFlush(requests, requests.length)} of ${requests.length} requests`);
  return result;
}

/** `count` numbers from 1 to `end`, ascending; each at least once when there are enough. */
export function chooseCuts(end: number, count: number, random: Random): number[] {
  const all = Array.from({ length: end }, (_, index) => index + 1);
  const whole = Math.floor(count / Math.max(1, end));
  const repeated = all.flatMap((cut) => Array.from({ length: whole }, () => cut));
  const rest = all
    .map((cut) => ({ cut, key: random.next() }))
    .toSorted((a, b) => a.key - b.key)
    .slice(0, count - repeated.length)
    .map(({ cut }) => cut);
  return [...repeated, ...rest].toSorted((a, b) => a - b);
}
