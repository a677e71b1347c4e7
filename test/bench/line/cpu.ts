import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse } from 'yaml';
import { findProgram } from '../../../src/emulator/programs.ts';
import { createLink } from '../../../src/shared/link/link.ts';
import { priorities } from '../../../src/shared/link/link-options.ts';
import { root } from '../../e2e/support/paths.ts';
import { randomBytes } from '../../line/random.ts';
import { type Summary, summarise } from '../statistics.ts';
import { rawTty } from './raw-tty.ts';
import { openRealLine } from './real-line.ts';
import { BITS_PER_BYTE, peerScenarios, type Scenario, TRANSFER } from './scenarios.ts';

export interface CpuUse {
  /** Per cent of one processor of this machine. */
  transfers: { direction: Scenario['direction']; percent: Summary }[];
  /** How many times as fast as a core of a Cortex-A53 a processor of this machine is; else why that is not known. */
  faster: number | string;
}

/**
 * 7-Zip's own benchmark on a Raspberry Pi 3 B+ (Cortex-A53, 1.4 GHz) and boards like it: 3,600 with four cores.
 * Source: https://github.com/ThomasKaiser/sbc-bench/blob/master/Results.md
 */
export const A53_RATING = 900;
const ROUNDS = 3;
/** 7-Zip takes one to two minutes. */
const SCALE_MS = 600_000;

/** Processor time that the device's end of the link takes for transfers at 115,200 baud. Takes four minutes. */
export async function measureCpu(say: (text: string) => void): Promise<CpuUse> {
  const [clean] = peerScenarios;
  if (!clean) throw new Error('there is no line to measure on');
  const { host, device, close } = await openRealLine(clean, 1);
  const program = join(import.meta.dirname, 'device-end.ts');
  const child = spawn(process.execPath, [...deviceFlags(), program, device.path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const used = async (): Promise<number> => {
    child.stdin.write('\n');
    return Number((await answers.next()).value) / 1000;
  };
  const link = createLink(await rawTty(host.path), { role: 'host', bytesPerSecond: clean.baud / BITS_PER_BYTE });
  const percents = { upload: [] as number[], download: [] as number[] };
  try {
    await link.connect({ deadlineMs: 20_000 });
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const direction of ['upload', 'download'] as const) {
        const [before, cpu] = [performance.now(), await used()];
        const isUpload = direction === 'upload';
        const stream = link.openStream(isUpload ? 'api' : 'log', isUpload ? priorities.api : priorities.log);
        stream.end(isUpload ? randomBytes(2, TRANSFER) : undefined);
        stream.resume();
        await once(stream, 'end');
        const percent = (100 * ((await used()) - cpu)) / (performance.now() - before);
        percents[direction].push(percent);
        say(`line: processor time of the device's end, ${direction}: ${percent.toFixed(1)} %`);
      }
    }
  } finally {
    await link.close();
    child.stdin.end();
    await ended;
    close();
  }
  return {
    transfers: (['upload', 'download'] as const).map((direction) => ({
      direction,
      percent: summarise(percents[direction]),
    })),
    faster: howMuchFaster(),
  };
}

/** What Node is started with on a device. */
function deviceFlags(): string[] {
  const recipe: { entrypoint: string[] } = parse(readFileSync(join(root, 'images/init/recipe.yml'), 'utf8'));
  return recipe.entrypoint.filter((word) => word.startsWith('--'));
}

/** By the rating for the time that 7-Zip had a processor, so that others who use it do not count. */
function howMuchFaster(): number | string {
  try {
    const output = execFileSync(findProgram('7zz', '7zip'), ['b', '-mmt1'], { encoding: 'utf8', timeout: SCALE_MS });
    const rating = Number(/^Tot:\s+\d+\s+(\d+)/m.exec(output)?.[1]);
    return rating > 0 ? rating / A53_RATING : '7-Zip gave no rating';
  } catch (error) {
    return (error as Error).message;
  }
}
