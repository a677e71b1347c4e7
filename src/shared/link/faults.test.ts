import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Faults } from '../../../test/line/line.ts';
import { connect, drive, type Half, makePair, type Pair } from '../../../test/line/pair.ts';
import { randomBytes } from '../../../test/line/random.ts';
import { priorities } from './link-options.ts';

/** Simulated: far more than the slowest schedule needs. */
const DEADLINE_MS = 600_000;

const rates = (...values: number[]) => fc.constantFrom(0, 0, ...values);
const faults: fc.Arbitrary<Faults> = fc.record({
  flip: rates(1e-4, 1e-3),
  drop: rates(1e-4, 1e-3),
  insert: rates(1e-4, 1e-3),
  latencyMs: fc.constantFrom(0, 5),
  coalesceMs: fc.constantFrom(0, 0, 16),
  split: fc.boolean(),
});
const schedule = fc.record({
  seed: fc.nat(),
  rate: fc.constantFrom(undefined, 1200, 11_520, 92_160),
  toHost: faults,
  toDevice: faults,
  receiveFifo: fc.constantFrom(undefined, 16),
  /** Gaps between kernel lines, so that many may come at once. */
  kernel: fc
    .array(fc.oneof(fc.constant(0), fc.nat(2000)), { maxLength: 60 })
    .map((gaps) => gaps.map((_, index) => gaps.slice(0, index + 1).reduce((sum, gap) => sum + gap, 0))),
  streams: fc.array(
    fc.record({
      from: fc.constantFrom('host' as const, 'device' as const),
      up: fc.constantFrom(0, 1, 300, 5000, 20_000),
      down: fc.constantFrom(0, 1, 300, 5000, 20_000),
      pieces: fc.integer({ min: 1, max: 20 }),
      priority: fc.constantFrom(...Object.values(priorities)),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  /** When the cable is pulled and for how long, in milliseconds. */
  pulled: fc.option(fc.record({ after: fc.nat(3000), ms: fc.constantFrom(50, 400, 2000, 20_000) }), { nil: undefined }),
});

interface Transfer {
  mine: Half;
  theirs?: Half;
  up: Buffer;
  down: Buffer;
}

test('whatever the line does, streams are exact or end with an error, none hangs, and kernel lines are shown whole', async () => {
  await fc.assert(
    fc.asyncProperty(schedule, async ({ streams, pulled, receiveFifo, ...options }) => {
      const pair = makePair({ ...options, ...(receiveFifo !== undefined && { receiveFifo }) });
      await connect(pair);
      const transfers = begin(pair, streams, options.seed);
      const settled = (): boolean => transfers.every(({ mine, theirs }) => mine.closed && (!theirs || theirs.closed));
      if (pulled) {
        await pair.clock.runUntil(settled, pulled.after);
        pair.line.cut();
        await pair.clock.run(pulled.ms);
        pair.line.mend();
      }
      expect(await pair.clock.runUntil(settled, DEADLINE_MS)).toBe(true);
      for (const transfer of transfers) check(transfer, pulled !== undefined);
      // What the kernel has still to print, and what waits for the end of a frame.
      await pair.clock.runUntil(() => pair.line.printed.length === options.kernel.length, DEADLINE_MS);
      await pair.clock.run(2000);
      expect(notShown(pair)).toEqual([]);
    }),
    { numRuns: 80 },
  );
}, 180_000);

function begin(
  pair: Pair,
  plans: { from: 'host' | 'device'; up: number; down: number; pieces: number; priority: number }[],
  seed: number,
): Transfer[] {
  const transfers: Transfer[] = [];
  for (const side of [pair.host, pair.device]) {
    side.on('stream', (stream, service) => {
      const transfer = transfers[Number(service)];
      if (transfer) transfer.theirs = drive(stream, transfer.down, 3);
    });
  }
  for (const [index, plan] of plans.entries()) {
    const up = randomBytes(seed + index, plan.up);
    const down = randomBytes(seed + index + 77, plan.down);
    const stream = pair[plan.from].openStream(String(index), plan.priority);
    transfers.push({ mine: drive(stream, up, plan.pieces), up, down });
  }
  return transfers;
}

function check({ mine, theirs, up, down }: Transfer, mayFail: boolean): void {
  const got = Buffer.concat(mine.received);
  const gotThere = Buffer.concat(theirs?.received ?? []);
  expect(got.equals(down.subarray(0, got.length))).toBe(true);
  expect(gotThere.equals(up.subarray(0, gotThere.length))).toBe(true);
  // `finish` promises that the other side has everything; `end` that this side has.
  if (mine.ended) expect(got.length).toBe(down.length);
  if (theirs?.ended) expect(gotThere.length).toBe(up.length);
  if (mine.finished && !mine.error) expect(gotThere.length).toBe(up.length);
  if (!mine.error) expect([mine.ended, mine.finished, theirs?.ended ?? mayFail]).toEqual([true, true, true]);
  if (!mayFail) expect([mine.error, theirs?.error]).toEqual([undefined, undefined]);
}

/** The kernel lines that arrived undamaged but are not in the console text, in order. */
function notShown(pair: Pair): string[] {
  const text = pair.hostText();
  const missing: string[] = [];
  let from = 0;
  for (const line of pair.line.printed) {
    if (!line.intact) continue;
    const at = text.indexOf(line.text, from);
    if (at < 0) missing.push(line.text);
    else from = at + line.text.length;
  }
  return missing;
}
