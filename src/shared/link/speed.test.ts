import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Faults } from '../../../test/line/line.ts';
import { connect, drive, type Half, makePair, type Pair, type PairOptions } from '../../../test/line/pair.ts';
import { randomBytes } from '../../../test/line/random.ts';
import { MalformedError } from './bytes.ts';
import { END, encodeFrame, sessionSeed, unstuff } from './frame.ts';
import { decodeHandshake, isHandshake } from './handshake.ts';
import { priorities } from './link-options.ts';
import { decodeSpeed, encodeSpeed, type SpeedMessage } from './speed-frames.ts';

const SAFE = 115_200;
const FAST = 921_600;
/** The whole of a change that does not hold. */
const CHANGE_MS = 2000;

interface Transfer {
  mine: Half;
  theirs?: Half;
  up: Buffer;
  down: Buffer;
}

function pairWith(options: PairOptions): Pair {
  return makePair({ baud: SAFE, fastRates: [FAST], ...options });
}

/** One stream from the host, with data both ways. */
function transfer(pair: Pair, size: number, seed = 5): Transfer {
  const up = randomBytes(seed, size);
  const down = randomBytes(seed + 1, size);
  const result: Transfer = { mine: drive(pair.host.openStream('x', priorities.api), up, 3), up, down };
  pair.device.once('stream', (stream: Duplex) => {
    result.theirs = drive(stream, down, 3);
  });
  return result;
}

function isSettled({ mine, theirs }: Transfer): boolean {
  return mine.closed && theirs?.closed === true;
}

function expectExact({ mine, theirs, up, down }: Transfer): void {
  expect([mine.error, theirs?.error]).toEqual([undefined, undefined]);
  expect(Buffer.concat(mine.received).equals(down)).toBe(true);
  expect(Buffer.concat(theirs?.received ?? []).equals(up)).toBe(true);
}

const at = (pair: Pair, baud: number): boolean => pair.line.bauds?.host === baud && pair.line.bauds.device === baud;
const onlyAbove =
  (faults: Faults) =>
  (baud: number | undefined): Faults =>
    baud !== undefined && baud > SAFE ? faults : {};

test('both sides go up, carry data at the new rate, and are back at the safe speed after a goodbye', async () => {
  const pair = pairWith({});
  await connect(pair);
  expect(await pair.clock.runUntil(() => at(pair, FAST) && pair.host.baud === FAST, 500)).toBe(true);
  const began = pair.clock.now();
  const data = transfer(pair, 400_000);
  expect(await pair.clock.runUntil(() => isSettled(data), 60_000)).toBe(true);
  expectExact(data);
  // At the safe speed 400 kB take 35 s.
  expect(pair.clock.now() - began).toBeLessThan(6000);
  expect(pair.hostText() + pair.deviceText()).not.toMatch(/[^\x15]/);
  void pair.host.close();
  expect(await pair.clock.runUntil(() => at(pair, SAFE) && pair.device.state === 'plain', CHANGE_MS)).toBe(true);
});

test('a device that closes its end leaves both at the safe speed', async () => {
  const adapter = { latencyMs: 5, coalesceMs: 16 };
  const pair = pairWith({ toHost: adapter, toDevice: adapter });
  await connect(pair);
  await pair.clock.runUntil(() => at(pair, FAST), 500);
  await pair.clock.run(300);
  const began = pair.clock.now();
  void pair.device.close();
  expect(await pair.clock.runUntil(() => at(pair, SAFE) && pair.device.state === 'closed', CHANGE_MS)).toBe(true);
  // The answer to its goodbye was heard.
  expect(pair.clock.now() - began).toBeLessThan(400);
  expect(pair.host.state).toBe('plain');
});

test('the device is asked for one rate after the other until it can do one', async () => {
  const pair = pairWith({ fastRates: [1_500_000, FAST], deviceRates: [FAST] });
  await connect(pair);
  expect(await pair.clock.runUntil(() => at(pair, FAST), 3000)).toBe(true);
  const none = pairWith({ deviceRates: [] });
  await connect(none);
  const data = transfer(none, 30_000);
  expect(await none.clock.runUntil(() => isSettled(data), 60_000)).toBe(true);
  expectExact(data);
  expect(at(none, SAFE)).toBe(true);
});

test('nothing is asked for on a line without a rate, nor of a host that does not want it', async () => {
  for (const options of [{ baud: undefined }, { fastRates: undefined }]) {
    const asked: Buffer[] = [];
    const lose = (_to: 'host' | 'device', bytes: Buffer): boolean => asked.push(bytes) < 0;
    const pair = pairWith({ ...options, lose });
    await connect(pair);
    const before = asked.length;
    await pair.clock.run(700);
    expect(asked.slice(before)).toEqual([]);
    expect(pair.host.baud).toBe(options.baud === undefined && 'baud' in options ? undefined : SAFE);
  }
});

test.each([
  ['both directions', { flip: 0.3 }, { flip: 0.3 }],
  ['the way to the host', { flip: 0.3 }, {}],
  ['the way to the device', {}, { flip: 0.3 }],
  ['one byte in a hundred', { flip: 0.01 }, { flip: 0.01 }],
])('a speed that does not hold is left within two seconds: %s', async (_what, toHost, toDevice) => {
  const pair = pairWith({ toHost: onlyAbove(toHost), toDevice: onlyAbove(toDevice) });
  await connect(pair);
  const data = transfer(pair, 40_000);
  const began = pair.clock.now();
  expect(await pair.clock.runUntil(() => pair.line.bauds?.device === FAST, CHANGE_MS)).toBe(true);
  expect(await pair.clock.runUntil(() => at(pair, SAFE) && pair.host.baud === SAFE, CHANGE_MS)).toBe(true);
  expect(pair.clock.now() - began).toBeLessThan(CHANGE_MS);
  expect(await pair.clock.runUntil(() => isSettled(data), 120_000)).toBe(true);
  expectExact(data);
  expect(at(pair, SAFE)).toBe(true);
});

/** What both ends write from the moment the link is up until the speed is agreed, and a little longer. */
async function writesOfAChange(): Promise<number> {
  let writes = 0;
  const pair = pairWith({ lose: () => ++writes < 0 });
  await connect(pair);
  await pair.clock.runUntil(() => pair.host.baud === FAST && at(pair, FAST), CHANGE_MS);
  await pair.clock.run(300);
  return writes;
}

test('any single frame of the change may be lost, or all from one on for a while', async () => {
  const writes = await writesOfAChange();
  expect(writes).toBeGreaterThan(20);
  for (let first = 0; first < writes; first += 1) {
    for (const count of [1, 6]) {
      let number = -1;
      const lose = (): boolean => {
        number += 1;
        return number >= first && number < first + count;
      };
      const pair = pairWith({ lose });
      await connect(pair);
      const data = transfer(pair, 3000);
      // From the question to its end in all.
      await pair.clock.run(CHANGE_MS);
      expect([first, count, at(pair, SAFE) || at(pair, FAST)]).toEqual([first, count, true]);
      expect(await pair.clock.runUntil(() => isSettled(data), 30_000)).toBe(true);
      expectExact(data);
    }
  }
}, 60_000);

test('either side may die at any moment of a change: the other is at the safe speed two seconds later, or three', async () => {
  for (let ms = 0; ms < 260; ms += 7) {
    for (const dead of ['host', 'device'] as const) {
      let isDead = false;
      const pair = pairWith({ lose: (to) => isDead && to !== dead });
      const survivor = dead === 'host' ? pair.device : pair.host;
      await connect(pair);
      await pair.clock.run(ms);
      isDead = true;
      await pair.clock.run(CHANGE_MS);
      expect([dead, ms, survivor.baud]).toEqual([dead, ms, SAFE]);
      expect([dead, ms, pair.line.bauds?.[dead === 'host' ? 'device' : 'host']]).toEqual([dead, ms, SAFE]);
      expect(await pair.clock.runUntil(() => survivor.state === 'plain', 5000)).toBe(true);
      expect(survivor.baud).toBe(SAFE);
    }
  }
}, 60_000);

test('a line that gets bad later is brought back to the safe speed, and tried again', async () => {
  const now: { toHost: Faults; toDevice: Faults } = { toHost: {}, toDevice: {} };
  const faulty = (which: 'toHost' | 'toDevice') => (baud: number | undefined) => onlyAbove(now[which])(baud);
  for (const [toHost, toDevice] of [
    [0.03, 0],
    [0, 0.03],
    [0.5, 0.5],
  ]) {
    now.toHost = {};
    now.toDevice = {};
    const pair = pairWith({ toHost: faulty('toHost'), toDevice: faulty('toDevice') });
    await connect(pair);
    await pair.clock.runUntil(() => pair.host.baud === FAST, 1000);
    const data = transfer(pair, 150_000);
    await pair.clock.run(500);
    now.toHost = { flip: toHost };
    now.toDevice = { flip: toDevice };
    expect(await pair.clock.runUntil(() => at(pair, SAFE), CHANGE_MS)).toBe(true);
    await pair.clock.run(1000);
    expect(at(pair, SAFE)).toBe(true);
    now.toHost = {};
    now.toDevice = {};
    expect(await pair.clock.runUntil(() => at(pair, FAST), 12_000)).toBe(true);
    expect(await pair.clock.runUntil(() => isSettled(data), 120_000)).toBe(true);
    expectExact(data);
  }
}, 60_000);

test('a cable that is out for a moment costs the speed, not the session, even if the first frames after it are lost', async () => {
  let losing = 0;
  const pair = pairWith({ lose: () => losing-- > 0 });
  await connect(pair);
  await pair.clock.runUntil(() => pair.host.baud === FAST, 1000);
  const data = transfer(pair, 100_000);
  await pair.clock.run(100);
  pair.line.cut();
  expect(await pair.clock.runUntil(() => at(pair, SAFE), CHANGE_MS)).toBe(true);
  pair.line.mend();
  losing = 4;
  expect(await pair.clock.runUntil(() => isSettled(data), 120_000)).toBe(true);
  expectExact(data);
});

test('a panic at the fast speed is shown, and a device that boots at the safe speed is found again', async () => {
  let isInPanic = false;
  const pair = pairWith({ lose: (to) => isInPanic && to === 'host' });
  await connect(pair);
  await pair.clock.runUntil(() => pair.host.baud === FAST && at(pair, FAST), 1000);
  await pair.clock.run(300);
  // From now on only its kernel says something.
  isInPanic = true;
  const panic = Array.from(
    { length: 40 },
    (_, line) => `[   12.${100_000 + line}] panic: line ${line} of the trace\r\n`,
  );
  for (const line of panic) {
    pair.line.print(line);
    await pair.clock.run(40);
  }
  expect(pair.hostText()).toContain(panic.join(''));
  expect(pair.line.bauds?.host).toBe(FAST);
  await pair.line.setBaud('device', SAFE);
  expect(await pair.clock.runUntil(() => pair.line.bauds?.host === SAFE, 1500)).toBe(true);
  pair.line.print('[    0.000000] Linux version 6.1\r\n');
  expect(await pair.clock.runUntil(() => pair.host.state === 'plain', 500)).toBe(true);
});

const faults: fc.Arbitrary<Faults> = fc.record({
  flip: fc.constantFrom(0, 0, 1e-4, 1e-3, 1e-2),
  drop: fc.constantFrom(0, 0, 1e-4, 1e-3),
  latencyMs: fc.constantFrom(0, 5),
  coalesceMs: fc.constantFrom(0, 16),
  split: fc.boolean(),
});

test('whatever happens during changes, streams are exact or end with an error, and both sides meet again', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.nat(),
        safe: fc.constantFrom(9600, SAFE),
        fastRates: fc.constantFrom([FAST], [1_500_000, FAST], [1_500_000, FAST, 230_400]),
        deviceRates: fc.constantFrom([FAST], [1_500_000, FAST, 230_400]),
        careful: fc.boolean(),
        slow: faults,
        fastToHost: faults,
        fastToDevice: faults,
        size: fc.constantFrom(0, 300, 20_000),
        pulls: fc.array(fc.record({ after: fc.nat(1500), ms: fc.constantFrom(20, 150, 900, 2500) }), { maxLength: 3 }),
        lost: fc.array(fc.nat(120), { maxLength: 8 }),
      }),
      async ({ safe, slow, fastToHost, fastToDevice, size, pulls, lost, ...options }) => {
        let writes = 0;
        const choose = (fast: Faults) => (baud: number | undefined) => (baud === safe ? slow : fast);
        const pair = pairWith({
          ...options,
          baud: safe,
          toHost: choose(fastToHost),
          toDevice: choose(fastToDevice),
          lose: () => lost.includes(++writes),
        });
        await connect(pair);
        const data = transfer(pair, size);
        for (const { after, ms } of pulls) {
          await pair.clock.run(after);
          pair.line.cut();
          await pair.clock.run(ms);
          pair.line.mend();
        }
        const isOver = (): boolean => data.mine.closed && (data.theirs === undefined || data.theirs.closed);
        expect(await pair.clock.runUntil(isOver, 600_000)).toBe(true);
        const got = Buffer.concat(data.mine.received);
        const gotThere = Buffer.concat(data.theirs?.received ?? []);
        expect(got.equals(data.down.subarray(0, got.length))).toBe(true);
        expect(gotThere.equals(data.up.subarray(0, gotThere.length))).toBe(true);
        if (!data.mine.error) expect(got.length).toBe(size);
        if (pulls.length === 0) expectExact(data);
        // Of a stream that never reached the device.
        pair.device.removeAllListeners('stream');
        // A session that does not recover from the last pull is over by then, on both sides.
        await pair.clock.run(8000);
        expect(pair.device.state).toBe(pair.host.state);
        if (pair.host.state !== 'up') await connect(pair);
        const later = transfer(pair, 500);
        expect(await pair.clock.runUntil(() => isSettled(later), 60_000)).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
}, 180_000);

const message: fc.Arbitrary<SpeedMessage> = fc.oneof(
  fc.record({
    type: fc.constant('ask' as const),
    change: fc.nat(3),
    baud: fc.constantFrom(0, 300, SAFE, FAST, 1_500_000, 2 ** 40),
  }),
  fc.record({
    type: fc.constantFrom('probe' as const, 'echo' as const),
    change: fc.nat(3),
    index: fc.nat(255),
    filling: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.record({
    type: fc.constantFrom(
      'ready' as const,
      'refused' as const,
      'commit' as const,
      'committed' as const,
      'back' as const,
    ),
    change: fc.nat(3),
  }),
);

test('messages about the speed at wrong moments, in any order, stop neither side', async () => {
  const injected = fc.array(
    fc.record({ to: fc.constantFrom('host' as const, 'device' as const), after: fc.nat(400), message }),
    { maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(injected, async (steps) => {
      let session = 0;
      const pair = pairWith({
        fastRates: [1_500_000, FAST],
        deviceRates: [FAST],
        lose: (to, bytes) => {
          const whole = to === 'device' && session === 0 ? unstuff(bytes.subarray(1, bytes.indexOf(END))) : undefined;
          if (whole && isHandshake(whole.body[0])) session = decodeHandshake(whole.body).session;
          return false;
        },
      });
      await connect(pair);
      const data = transfer(pair, 5000);
      for (const step of steps) {
        await pair.clock.run(step.after);
        const seed = sessionSeed(session, step.to === 'host' ? 'device' : 'host');
        pair.line.inject(step.to, encodeFrame(encodeSpeed(step.message), seed));
      }
      expect(await pair.clock.runUntil(() => isSettled(data), 60_000)).toBe(true);
      expectExact(data);
      void pair.host.close();
      expect(await pair.clock.runUntil(() => at(pair, SAFE) && pair.device.state === 'plain', 6000)).toBe(true);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test('a body that is no message about the speed is refused, one that is reads back', () => {
  fc.assert(
    fc.property(message, (sent) => {
      expect(decodeSpeed(encodeSpeed(sent))).toEqual({ ...sent });
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      try {
        decodeSpeed(Buffer.from([0x90, ...bytes]));
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError);
      }
    }),
  );
});
