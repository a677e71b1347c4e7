import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { findProgram } from '../../../src/emulator/programs.ts';
import type { Say } from '../../e2e/support/compose.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { type Summary, summarise } from '../statistics.ts';
import { type Engine, startDocker, startGantry, versionOf } from './engines.ts';

export const actions = ['restart', 'stop + start'] as const;
const names = ['gantry', 'docker'] as const;
type Name = (typeof names)[number];

/** Milliseconds until the API's answer, and until the page answers. */
const timesSchema = z.object({ answered: z.number(), page: z.number() });

export interface Comparison {
  dockerVersion: string;
  times: { action: string; engine: Name; answered: Summary; page: Summary }[];
}

/** How often each engine does each action. */
const runs = 25;

/**
 * Restarts the same container under Gantry and under Docker on this machine, in turns. A text instead of figures says
 * what this machine lacks.
 */
export async function compareRestarts(atEnd: AtEnd, say: Say): Promise<Comparison | string> {
  if (process.getuid?.() !== 0) return 'Not measured: container engines need root. Run `npm run bench` as root.';
  try {
    findProgram('dockerd', 'docker.io');
  } catch (error) {
    return `Not measured: ${(error as Error).message}`;
  }
  const engines: Record<Name, Engine> = { gantry: await startGantry(atEnd, say), docker: await startDocker(atEnd) };
  const clients = { gantry: new Client(engines.gantry, atEnd), docker: new Client(engines.docker, atEnd) };
  const times: Comparison['times'] = [];
  for (const action of actions) {
    say(`${action}: ${runs} times each, in turns`);
    const taken: Record<Name, z.infer<typeof timesSchema>[]> = { gantry: [], docker: [] };
    // The first of each is not counted: programs are read from the disk, code is compiled.
    for (let run = 0; run <= runs; run++) {
      for (const name of run % 2 === 0 ? names : names.toReversed()) {
        const measured = await clients[name].measure(action);
        if (run > 0) taken[name].push(measured);
      }
    }
    for (const engine of names) {
      const of = (key: 'answered' | 'page') => summarise(taken[engine].map((one) => one[key]));
      times.push({ action, engine, answered: of('answered'), page: of('page') });
    }
  }
  const dockerVersion = await versionOf(engines.docker);
  for (const name of names) await clients[name].stop();
  for (const name of names) await engines[name].namespaces.stop();
  return { dockerVersion, times };
}

/** `client.ts` in the network of an engine. */
class Client {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly stop: () => Promise<void>;

  constructor(engine: Engine, atEnd: AtEnd) {
    const program = [process.execPath, `${import.meta.dirname}/client.ts`, engine.socketPath, 'web'];
    const into = ['nsenter', '-t', String(engine.namespaces.pid), '-n', '--'];
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...into, ...program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ended = once(this.#child, 'close');
    if (this.#child.stdout === null) throw new Error('the client has no output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.stop = atEnd.add(async () => {
      this.#child.kill('SIGKILL');
      await ended;
    });
  }

  async measure(action: string): Promise<z.infer<typeof timesSchema>> {
    // What the last action left behind (a conmon that ends, a log that is closed) is not part of this one.
    await delay(200);
    this.#child.stdin?.write(`${action}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the client ended during "${action}"`);
    return timesSchema.parse(JSON.parse(value));
  }
}
