import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { RoundResult } from '../../../src/dev/round-result.ts';
import { start } from '../../e2e/support/gantry.ts';
import { root } from '../../e2e/support/paths.ts';
import { type Summary, summarise } from '../statistics.ts';

/** Of saves of the Node template's program under `gantry dev`, milliseconds. */
export interface DevTimes {
  /** From the save until the new program answers. */
  answered: Summary;
  /** Of that, what the device took to make the container, and to start it until Node answers. */
  deviceStart: Summary;
  /** What is left: this machine's work, the line, and what the device does to take the image and to end the old one. */
  rest: Summary;
  build: Summary;
  sentBytes: Summary;
}

export interface DevSubject {
  /** The device, as `-d` takes it. */
  target: string;
  /** The component that is swapped. */
  name: string;
  /** Part of what is saved: a device has what was sent to it before. */
  words: string;
  /** What its page says; rejects or waits while nobody answers. */
  page(): Promise<string>;
}

const runs = 10;
const betweenMs = 30;

/** Saves again and again, as an editor does, and asks for the page all the time. */
export async function measureDev({ target, name, words: own, page }: DevSubject): Promise<DevTimes> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-dev-'));
  cpSync(join(root, 'images/node'), folder, { recursive: true });
  const program = readFileSync(join(folder, 'server.mjs'), 'utf8');
  const session = start(['-d', target, 'dev', folder, '--name', name, '--json', '--no-logs'], {}, 'ignore', 1_200_000);
  const rounds = roundsOf(session.stdout);
  const taken: Record<keyof DevTimes, number[]> = { answered: [], deviceStart: [], rest: [], build: [], sentBytes: [] };
  try {
    // The first swap brings the template, maybe in the place of something else.
    await rounds();
    for (let run = 0; run <= runs; run++) {
      const words = `Run ${run} ${own}.`;
      const saved = performance.now();
      writeFileSync(join(folder, 'server.mjs'), program.replace('Hello from Node.', words));
      await untilPage(page, words);
      const answered = performance.now() - saved;
      const round = await rounds();
      // The first after a while finds nothing warm.
      if (run === 0) continue;
      const msOf = (...stages: string[]) =>
        (round.stages ?? []).reduce((sum, { stage, ms }) => sum + (stages.includes(stage) ? ms : 0), 0);
      const beforeStart = (round.healthyMs ?? 0) - msOf('prepare', 'start', 'probe');
      taken.answered.push(answered);
      taken.deviceStart.push(answered - beforeStart);
      taken.rest.push(beforeStart);
      taken.build.push(round.buildMs);
      taken.sentBytes.push(round.sentBytes ?? 0);
    }
  } finally {
    session.kill('SIGINT');
    await session;
    rmSync(folder, { recursive: true, force: true });
  }
  const { answered, deviceStart, rest, build, sentBytes } = taken;
  return {
    answered: summarise(answered),
    deviceStart: summarise(deviceStart),
    rest: summarise(rest),
    build: summarise(build),
    sentBytes: summarise(sentBytes),
  };
}

/** Gives one round after the other. Rejects when one did not go well, or the command ended. */
function roundsOf(output: NodeJS.ReadableStream): () => Promise<RoundResult> {
  const lines = createInterface(output)[Symbol.asyncIterator]();
  return async () => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error('gantry dev has ended');
      const said = JSON.parse(value) as RoundResult & { event: string };
      if (said.event !== 'round') continue;
      if (said.outcome !== 'running' && said.outcome !== 'unchanged') throw new Error(value);
      return said;
    }
  };
}

async function untilPage(page: () => Promise<string>, words: string): Promise<void> {
  const end = performance.now() + 120_000;
  while (!(await page().catch(() => '')).includes(words)) {
    if (performance.now() > end) throw new Error(`the page never said ${words}`);
    // Asking costs the device time, too.
    await delay(betweenMs);
  }
}
