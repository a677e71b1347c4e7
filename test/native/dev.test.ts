import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RoundResult } from '../../src/dev/round-result.ts';
import { gantry, start } from '../e2e/support/gantry.ts';
import { type NativeDevice, startNative } from '../e2e/support/native.ts';
import { root, work } from '../e2e/support/paths.ts';
import { until } from '../e2e/support/until.ts';

/** A person edits the program of a component, and the device runs it: the real command on a real folder. */
let device: NativeDevice;
let folder: string;
let target: string[];
const template = readFileSync(join(root, 'images/node/server.mjs'), 'utf8');
const recipe = readFileSync(join(root, 'images/node/recipe.yml'), 'utf8');

beforeAll(async () => {
  const definition = join(work, 'dev.yml');
  mkdirSync(work, { recursive: true });
  writeFileSync(definition, 'services: [{ name: app, image: node:1 }]\n');
  device = await startNative(definition, 'dev');
  await device.untilIs('app', { health: 'healthy' }, 60);
  target = ['-d', `unix:${device.path('/run/docker.sock')}`];
  folder = mkdtempSync(join(tmpdir(), 'gantry-dev-'));
  cpSync(join(root, 'images/node'), folder, { recursive: true });
});
afterAll(async () => {
  await device?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As most editors save: a new file that takes the old one's name. */
function save(name: string, text: string): void {
  const temporary = join(folder, `.${name}.tmp`);
  writeFileSync(temporary, text);
  renameSync(temporary, join(folder, name));
}

const program = (words: string) => template.replace('Hello from Node.', words);

/** What the component answers on its port. */
async function answer(): Promise<string> {
  const network = device.path('').replace(/root$/, 'ns/net');
  const ask = 'fetch("http://127.0.0.1/").then(async (r) => console.log(await r.text()))';
  const { stdout } = await execa('nsenter', [`--net=${network}`, process.execPath, '-e', ask]);
  return stdout.trim();
}

type Said = { event: string; text?: string } & Partial<RoundResult>;

/** `gantry dev` as it runs, and what it has said so far. */
class Session {
  readonly #process = start([...target, 'dev', folder, '--name', 'app', '--json']);
  readonly said: Said[] = [];
  readonly ended: Promise<number>;
  #rest = '';
  #read = 0;

  constructor() {
    this.#process.stdout.on('data', (chunk: Buffer) => {
      const lines = (this.#rest + chunk.toString()).split('\n');
      this.#rest = lines.pop() ?? '';
      this.said.push(...lines.map((line) => JSON.parse(line) as Said));
    });
    this.ended = this.#process.then(({ exitCode }) => exitCode ?? -1);
  }

  /** The next event of this name after the one that was asked for last. */
  async next(event: string): Promise<Said> {
    const at = await until(`the event ${event} after ${JSON.stringify(this.said)}`, 60, async () => {
      const found = this.said.findIndex((said, index) => index >= this.#read && said.event === event);
      return found === -1 ? undefined : found + 1;
    });
    this.#read = at;
    return this.said[at - 1] ?? expect.fail();
  }

  /** What the component has written. */
  get log(): string {
    return this.said.flatMap(({ event, text }) => (event === 'log' ? [text] : [])).join('\n');
  }

  interrupt(): void {
    this.#process.kill('SIGINT');
  }
}

it('says how to come by a component that the device does not have', async () => {
  const { code, stderr } = await gantry(...target, 'dev', folder);
  expect(code).toBe(1);
  expect(stderr).toMatch(/there is no component "node" on this device[\s\S]*--name NAME[\s\S]*OS definition/);
  expect(await gantry(...target, 'dev', work)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('recipe.yml'),
  });
});

it('brings each save to the device, and goes on after what is no good', async () => {
  const session = new Session();
  // The image of the recipe is what the device was composed of.
  expect(await session.next('round')).toMatchObject({ outcome: 'unchanged' });

  save('server.mjs', program('one'));
  const one = await session.next('round');
  expect(one).toMatchObject({ outcome: 'running', changes: ['server.mjs'], revision: 1 });
  // Node and all packages are there already.
  expect(one.sentBytes).toBeLessThan(2000);
  expect(one.stages?.map(({ stage }) => stage)).toEqual(expect.arrayContaining(['send', 'stop', 'start', 'probe']));
  expect(await answer()).toBe('one');

  save('server.mjs', `${program('worse')}\nthrow new Error('no good');\n`);
  const worse = await session.next('round');
  expect(worse).toMatchObject({
    outcome: 'rolled-back',
    message: expect.stringContaining('it ended with exit code 1'),
  });
  await until('the log to have it', 20, async () => session.log.includes('Error: no good'));
  expect(await answer()).toBe('one');

  // Not in the image: what failed is not tried again for it.
  save('README', 'x');
  expect(await session.next('round')).toMatchObject({ outcome: 'unchanged', changes: ['README'] });

  save('recipe.yml', recipe.replace('busybox: true', 'busybox: yes-please'));
  const wrong = await session.next('round');
  expect(wrong).toMatchObject({ outcome: 'not-built', message: expect.stringMatching(/recipe\.yml:3:1: busybox/) });
  expect(await answer()).toBe('one');

  save('server.mjs', program('two'));
  expect(await session.next('round')).toMatchObject({ outcome: 'not-built' });
  save('recipe.yml', recipe);
  expect(await session.next('round')).toMatchObject({ outcome: 'running', changes: ['recipe.yml'] });
  expect(await answer()).toBe('two');

  // Saved while it is being swapped: one more round of all of it.
  save('server.mjs', program('three'));
  await session.next('healthy');
  for (const name of ['a', 'b', 'c']) save(name, name);
  save('server.mjs', program('four'));
  expect(await session.next('round')).toMatchObject({ outcome: 'running', changes: ['server.mjs'] });
  const last = await session.next('round');
  expect(last).toMatchObject({ outcome: 'running', changes: ['a', 'b', 'c', 'server.mjs'] });
  expect(await answer()).toBe('four');

  // The connection breaks, and is made again.
  await device.killInit();
  save('server.mjs', program('five'));
  let five = await session.next('round');
  if (five.outcome === 'lost') five = await session.next('round');
  expect(five).toMatchObject({ outcome: 'running', changes: ['server.mjs'] });
  expect(await answer()).toBe('five');

  session.interrupt();
  expect(await session.ended).toBe(130);
  expect(session.said.at(-1)?.event).toBe('end');
  expect(await answer()).toBe('five');
});

it('tries once, and tells by its exit code what came of it', async () => {
  const once = () => gantry(...target, 'dev', folder, '--name', 'app', '--once', '--stable', '0s');
  save('server.mjs', `console.log('about to fail');\nprocess.exit(7);\n`);
  const failed = await once();
  expect(failed.code).toBe(4);
  expect(failed.stderr).toMatch(/✗ first build: .*rolled back: .*exit code 7[\s\S]*\n {2}about to fail/);
  // What failed may be tried again.
  expect((await once()).code).toBe(4);
  save('server.mjs', program('six'));
  expect(await once()).toMatchObject({ code: 0, stderr: expect.stringContaining('healthy after') });
  expect(await answer()).toBe('six');
  save('recipe.yml', 'image: [');
  expect((await once()).code).toBe(1);
});
