import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LogEntry } from './assemble.ts';
import { parseCursor } from './cursor.ts';
import { namesOf, rotatedPath, spareName } from './files.ts';
import { formatNanos } from './k8s-line.ts';
import { LogKeeper } from './keeper.ts';
import { LogReader, readLog } from './reader.ts';
import { rotate } from './rotate.ts';
import { type LogSizes, sizesFor } from './sizes.ts';

const alone = async () => true;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-rotate-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes a log as conmon 2.1 does: appends, and puts a new file in place when told to or when it is too large. */
class Conmon {
  readonly #path: string;
  readonly #backstop: number;
  #file: number;
  #size: number;
  #nanos = 1_700_000_000_000_000_000n;
  reopens = 0;

  constructor(path: string, backstop: number) {
    this.#path = path;
    this.#backstop = backstop;
    this.#file = openSync(path, 'a');
    this.#size = statSync(path).size;
  }

  write(stream: 'stdout' | 'stderr', text: string, partial = false): void {
    const line = `${formatNanos(this.#nanos)} ${stream} ${partial ? 'P' : 'F'} ${text}\n`;
    if (this.#size + line.length > this.#backstop) this.reopen();
    writeSync(this.#file, line);
    this.#size += line.length;
  }

  /** conmon gives all lines that it reads at once the same time. */
  nextRead(): void {
    this.#nanos += 1000n;
  }

  reopen(): void {
    closeSync(this.#file);
    this.#file = openSync(`${this.#path}.tmp`, 'w');
    renameSync(`${this.#path}.tmp`, this.#path);
    this.#size = 0;
    this.reopens++;
  }

  /** The container ends and another one starts. */
  restart(): void {
    closeSync(this.#file);
    this.#file = openSync(this.#path, 'a');
    this.#size = statSync(this.#path).size;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Reads a log as a client does whose connection breaks now and then. */
class Client {
  readonly seen: string[] = [];
  notes = 0;
  readonly #path: string;
  #reader: LogReader;
  #entries: AsyncGenerator<LogEntry>;
  #next: Promise<IteratorResult<LogEntry>> | undefined;
  #over = false;
  #wake: () => void = () => undefined;
  #idle: () => void = () => undefined;
  #cursor: string | undefined;
  #sinceCursor = 0;
  #known = 0;

  constructor(path: string) {
    this.#path = path;
    this.#reader = this.#open();
    this.#entries = this.#reader.entries();
  }

  /** Takes up to `count` entries, or all that are there. */
  async read(count: number): Promise<void> {
    this.#wake();
    for (let taken = 0; taken < count; ) {
      const idle = new Promise<'idle'>((resolve) => {
        this.#idle = () => resolve('idle');
      });
      this.#next ??= this.#entries.next();
      const result = await Promise.race([this.#next, idle]);
      if (result === 'idle') return;
      this.#next = undefined;
      if (result.done) return;
      if (result.value.note) this.notes++;
      else if (this.#known > 0) this.#known--;
      else {
        this.seen.push(`${result.value.stream}:${result.value.text}`);
        this.#sinceCursor++;
        taken++;
      }
    }
  }

  /** Hears where it is, as a client does from time to time. */
  place(): void {
    // An entry that is on its way already is behind the place.
    if (this.#next !== undefined || this.#reader.cursor === undefined) return;
    this.#cursor = this.#reader.cursor;
    this.#sinceCursor = this.#known;
  }

  /** The place where it begins, which it hears although nothing is there. */
  start(): void {
    this.#cursor = this.#reader.cursor;
  }

  async reconnect(): Promise<void> {
    this.#over = true;
    this.#wake();
    if (this.#next) await this.#next;
    await this.#entries.return(undefined);
    this.#next = undefined;
    this.#over = false;
    this.#known = this.#sinceCursor;
    this.#reader = this.#open();
    this.#entries = this.#reader.entries();
  }

  async end(): Promise<void> {
    this.#over = true;
    this.#wake();
    await this.read(Number.POSITIVE_INFINITY);
  }

  #open(): LogReader {
    const from = this.#cursor === undefined ? undefined : parseCursor(this.#cursor);
    const changed = () => {
      let noticed = false;
      this.#wake = () => {
        noticed = true;
      };
      // Awaited only when there is nothing to read: that is when the client is idle.
      return {
        // biome-ignore lint/suspicious/noThenProperty: this is the very moment that the test wants to know.
        then: (resolve: () => void) => {
          if (noticed) return resolve();
          this.#wake = resolve;
          this.#idle();
        },
      } as unknown as Promise<void>;
    };
    return new LogReader(this.#path, { from, follow: { over: () => this.#over, changed } });
  }
}

type Step =
  | { do: 'write'; lines: number; length: number; stream: 'stdout' | 'stderr'; parts: number }
  | { do: 'tend' | 'restart' | 'reconnect' | 'place' }
  | { do: 'read'; count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      lines: fc.integer({ min: 1, max: 6 }),
      length: fc.integer({ min: 0, max: 120 }),
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
      parts: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Step>({ do: 'tend' }, { do: 'restart' }, { do: 'reconnect' }, { do: 'place' }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), count: fc.nat(8) }) },
);

/** Small enough that a few steps rotate. */
const sizes: LogSizes = { file: 700, backstop: 4000, total: 1 << 20 };

test('whatever is written, rotated, restarted and broken off: each line is read once, or it is said that some are missing', async () => {
  let runs = 0;
  let rotations = 0;
  let whole = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const path = join(folder, `random-${runs++}.log`);
      const conmon = new Conmon(path, sizes.backstop);
      await rotate(path, sizes, { reopen: async () => true, alone });
      const client = new Client(path);
      await client.read(1);
      client.start();
      const written: string[] = [];
      try {
        for (const action of steps) {
          conmon.nextRead();
          if (action.do === 'write') {
            for (let line = 0; line < action.lines; line++) {
              const text = `${written.length}:${'x'.repeat(action.length)}`;
              for (let part = 0; part < action.parts; part++) conmon.write(action.stream, 'part ', true);
              conmon.write(action.stream, text);
              written.push(`${action.stream}:${'part '.repeat(action.parts)}${text}\n`);
            }
          } else if (action.do === 'tend') {
            const reopen = async () => {
              conmon.reopen();
              return true;
            };
            if (existsSync(path) && (await rotate(path, sizes, { reopen, alone }))) rotations++;
          } else if (action.do === 'restart') conmon.restart();
          else if (action.do === 'place') client.place();
          else if (action.do === 'reconnect') await client.reconnect();
          else if (action.do === 'read') await client.read(action.count);
        }
        await client.end();
        const lines = client.seen.filter((line) => !line.startsWith('stderr:gantry: '));
        const missing = client.notes > 0 || lines.length < client.seen.length;
        if (!missing) {
          whole++;
          expect(client.seen).toEqual(written);
        } else {
          // Of a line at a gap one half may be gone; each has its number near its end.
          const found = lines.flatMap((line) => /(\d+):x*\n$/.exec(line)?.[1] ?? []).map(Number);
          expect(found).toEqual([...new Set(found)].sort((one, other) => one - other));
        }
      } finally {
        await client.end();
        conmon.close();
        for (const name of namesOf(path)) rmSync(name, { force: true });
      }
    }),
    { numRuns: 300 },
  );
  // The property is worth something only as far as logs were rotated and nothing was lost.
  expect(rotations).toBeGreaterThan(50);
  expect(whole).toBeGreaterThan(100);
});

async function linesOf(path: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { text } of readLog(path)) lines.push(text.toString().trimEnd());
  return lines;
}

test('a log that conmon replaced while nobody was there keeps what was in it, and says that lines may be missing', async () => {
  const path = join(folder, 'flood.log');
  const conmon = new Conmon(path, sizes.backstop);
  conmon.write('stdout', 'before');
  await rotate(path, sizes, { reopen: async () => true, alone });
  for (let i = 0; i < 400; i++) {
    conmon.nextRead();
    conmon.write('stdout', `flood ${i}`);
  }
  expect(conmon.reopens).toBeGreaterThan(3);
  expect(await rotate(path, sizes, { reopen: async () => true, alone })).toBe(true);
  const lines = await linesOf(path);
  expect([lines[0], lines.at(-1)]).toEqual(['before', 'flood 399']);
  expect(lines.filter((line) => line.startsWith('gantry: lines may be missing here'))).toHaveLength(1);
  conmon.close();
});

test('a process that was killed in the middle of moving a log aside loses nothing of it', async () => {
  const path = join(folder, 'killed.log');
  const conmon = new Conmon(path, sizes.backstop);
  for (let i = 0; i < 12; i++) conmon.write('stdout', `line ${i} ${'x'.repeat(20)}`);
  await rotate(path, { ...sizes, file: 1 << 20 }, { reopen: async () => true, alone });
  renameSync(path, rotatedPath(path, 1));
  // Killed here: the second name is still there, and conmon writes to the old file.
  conmon.write('stdout', 'line 12');
  const reopen = async () => {
    conmon.reopen();
    return true;
  };
  await rotate(path, sizes, { reopen, alone });
  conmon.write('stdout', 'line 13');
  await rotate(path, sizes, { reopen, alone });
  expect((await linesOf(path)).map((line) => line.split(' ')[1])).toEqual(
    Array.from({ length: 14 }, (_, i) => String(i)),
  );
  conmon.close();
});

test('logs keep to a share of the file system, and none goes below what is useful', () => {
  expect(sizesFor(64 << 20, 6)).toMatchObject({ file: 349525, total: 8 << 20 });
  expect(sizesFor(64 << 20, 100).file).toBe(256 << 10);
  expect(sizesFor(32 * 2 ** 30, 10)).toMatchObject({ file: 8 << 20, backstop: 32 << 20 });
});

test('the log that takes most gives its oldest files when there is too much in all', async () => {
  const own = await mkdtemp(join(folder, 'prune-'));
  for (const [name, size] of [
    ['loud.log', 10],
    ['loud.log.1', 40],
    ['loud.log.2', 40],
    ['quiet.log', 10],
    ['quiet.log.1', 10],
  ] as const) {
    writeFileSync(join(own, name), Buffer.alloc(size * 1024));
  }
  const keeper = new LogKeeper({
    folder: own,
    reopen: async () => false,
    alone,
    durable: true,
    sizes: () => ({ file: 1 << 20, backstop: 4 << 20, total: 80 * 1024 }),
    report: (message) => expect.fail(message),
  });
  await keeper.tend();
  const left = readdirSync(own).filter((name) => name !== 'loud.log.0' && name !== 'quiet.log.0');
  expect(left.sort()).toEqual(['loud.log', 'loud.log.1', 'quiet.log', 'quiet.log.1']);
  expect(existsSync(spareName(join(own, 'loud.log')))).toBe(true);
});

test('a log that two processes write is left to grow until there is one again', async () => {
  const path = join(folder, 'two.log');
  writeFileSync(path, Buffer.alloc(100));
  const small = { file: 10, backstop: 1000, total: 1000 };
  const reopen = async () => expect.unreachable('a writer was told to begin a new file');
  expect(await rotate(path, small, { reopen, alone: async () => false })).toBe(false);
  expect(await rotate(path, small, { reopen: async () => false, alone })).toBe(true);
});
