import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hostArch } from '../../src/emulator/index.ts';
import type { Arch } from '../../src/shared/oci/types.ts';
import { composeDemo, composeWebs, sayWithTime } from '../e2e/support/compose.ts';
import { testEnvironment, work } from '../e2e/support/paths.ts';
import { AtEnd } from '../support/at-end.ts';
import { onDevice } from '../support/on-device.ts';
import { actions } from './actions.ts';
import { expectConverged } from './checks.ts';
import { kernelSoak } from './kernel/main.ts';
import { linesSoak } from './lines/main.ts';
import { Random } from './random.ts';
import { World } from './world.ts';

/**
 * `npm run soak [-- --minutes N --seed S --arch A]`: does things to a device until time is up or something is wrong.
 * `npm run soak -- powercut`: see powercut/main.ts. `npm run soak -- killed`: see ../killed/main.ts.
 * `npm run soak -- resets`: see ../killed/resets-soak.ts. `npm run soak -- kernel`: see kernel/main.ts.
 * `npm run soak -- lines`: see lines/main.ts.
 */
if (process.argv[2] === 'powercut') process.exit(await powerCutOrExit(process.argv.slice(3)));
if (process.argv[2] === 'resets')
  process.exit(await (await import('../killed/resets-soak.ts')).resetsSoak(process.argv.slice(3)));
if (process.argv[2] === 'killed') process.exit(await (await import('../killed/main.ts')).killedSoak());
Object.assign(process.env, testEnvironment);
if (process.argv[2] === 'kernel') process.exit((await kernelSoak(sayWithTime())) ? 0 : 1);
if (process.argv[2] === 'lines') process.exit((await linesSoak(sayWithTime())) ? 0 : 1);
const { minutes, seed, arch } = settingsOrExit();
const say = sayWithTime();
const atEnd = new AtEnd();
const counts = new Map<string, number>();
let slowest = { seconds: 0, text: 'none' };

try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  await atEnd.run();
}

/** False when something was wrong; it has been said then. */
async function soak(): Promise<boolean> {
  say(`seed ${seed}: ${minutes} minutes on ${arch}`);
  // An image of its own: tests that run meanwhile may compose theirs anew.
  const image = join(work, `soak-${arch}`);
  await composeDemo(arch, say, image);
  await composeWebs(arch, say);
  const world = new World(arch, image);
  atEnd.add(() => world.stop());
  const random = new Random(seed);
  const end = performance.now() + minutes * 60_000;
  let doing = 'boot';
  try {
    await world.start(true);
    let web = await expectConverged(world, ['web:1']);
    while (performance.now() < end) {
      const action = random.weighted(actions);
      doing = action.name;
      const started = performance.now();
      const done = await action.run(world, random, web);
      doing = done.text;
      web = await expectConverged(world, done.images);
      const seconds = (performance.now() - started) / 1000;
      if (seconds > slowest.seconds) slowest = { seconds, text: done.text };
      counts.set(action.name, (counts.get(action.name) ?? 0) + 1);
      say(`${shortened(done.text)} → ${web}, well after ${seconds.toFixed(1)} s`);
    }
    await summary(world);
    return true;
  } catch (error) {
    await wrong(world, doing, error as Error);
    return false;
  }
}

/** Why a swap failed can be long: the last words of a container. */
function shortened(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 159)}…`;
}

async function summary(world: World): Promise<void> {
  sayCounts();
  const { init } = await world.info();
  say(`the init container has ${(init.privateBytes / 2 ** 20).toFixed(1)} MiB of its own, started ${init.startedAt}`);
  say(`the most it ever had was ${(world.mostMemory / 2 ** 20).toFixed(1)} MiB`);
}

function sayCounts(): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  say(`seed ${seed}: ${total} actions went well`);
  for (const [name, count] of counts) say(`${String(count).padStart(5)}  ${name}`);
  say(`slowest: ${slowest.seconds.toFixed(1)} s, ${slowest.text}`);
}

async function wrong(world: World, doing: string, error: Error): Promise<void> {
  sayCounts();
  say(`WRONG after "${doing}": ${error.message}`);
  say(`the console's end:\n${world.console().slice(-4000)}`);
  const log = async () => onDevice(world.device, 'tail -n 60 /run/gantry/init.log');
  say(`the init container's log:\n${await log().catch((failure: Error) => `not to be had: ${failure.message}`)}`);
  say(`again with: npm run soak -- --seed ${seed} --minutes ${minutes} --arch ${arch}`);
}

async function powerCutOrExit(args: string[]): Promise<number> {
  const { powerCutSoak } = await import('./powercut/main.ts');
  return powerCutSoak(args).catch((error: Error) => {
    console.error(error.message);
    return 2;
  });
}

function settingsOrExit(): ReturnType<typeof settings> {
  try {
    return settings();
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

function settings(): { minutes: number; seed: number; arch: Arch } {
  const options = { minutes: { type: 'string' }, seed: { type: 'string' }, arch: { type: 'string' } } as const;
  const { values } = parseArgs({ options });
  const { arch = hostArch() } = values;
  if (arch !== 'amd64' && arch !== 'arm64') throw new Error(`--arch is amd64 or arm64, not "${arch}".`);
  return {
    minutes: numberFrom('--minutes', values.minutes ?? '60'),
    seed: numberFrom('--seed', values.seed ?? String(randomInt(2 ** 32))),
    arch,
  };
}

function numberFrom(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new Error(`${option} is a number, not "${text}".`);
  return value;
}
