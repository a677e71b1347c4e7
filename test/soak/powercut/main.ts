import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hostArch } from '../../../src/emulator/index.ts';
import { composeDemo, composeWebs, sayWithTime } from '../../e2e/support/compose.ts';
import { testEnvironment, work } from '../../e2e/support/paths.ts';
import { AtEnd } from '../../support/at-end.ts';
import { cutPowerManyTimes, type PowerCutOptions } from './run.ts';

/** `npm run soak -- powercut [--prefixes N] [--boots N] [--rounds N] [--seed S] [--arch A]`. Resolves with the exit code. */
export async function powerCutSoak(args: string[]): Promise<number> {
  Object.assign(process.env, testEnvironment);
  const say = sayWithTime();
  const options = { ...settings(args), say };
  if (process.getuid?.() !== 0) throw new Error('Power cuts are replayed on loop mounts, which need root.');
  const atEnd = new AtEnd();
  try {
    await composeDemo(options.arch, say, options.image);
    await composeWebs(options.arch, say);
    const result = await cutPowerManyTimes(options, atEnd);
    process.stdout.write(`${JSON.stringify({ seed: options.seed, ...result }, null, 2)}\n`);
    if (result.wrong.length > 0) say(`again with: npm run soak -- powercut --seed ${options.seed}`);
    return result.wrong.length === 0 ? 0 : 1;
  } finally {
    await atEnd.run();
  }
}

function settings(args: string[]): Omit<PowerCutOptions, 'say'> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: { prefixes: text, boots: text, rounds: text, seed: text, arch: text },
  });
  const { arch = hostArch() } = values;
  if (arch !== 'amd64' && arch !== 'arm64') throw new Error(`--arch is amd64 or arm64, not "${arch}".`);
  return {
    arch,
    image: join(work, `soak-${arch}`),
    seed: wholeNumber('--seed', values.seed ?? String(randomInt(2 ** 32))),
    prefixes: wholeNumber('--prefixes', values.prefixes ?? '1000'),
    boots: wholeNumber('--boots', values.boots ?? '100'),
    rounds: wholeNumber('--rounds', values.rounds ?? '2'),
  };
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`${option} is a number, not "${text}".`);
  return Number(text);
}
