import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyTar, type TestEntry, tarOfEntries } from '../../shared/delta/tar.testing.ts';
import { apply, deltaBy, layerOf, make, noise } from './delta.testing.ts';
import { makeDictionary } from './methods.ts';

const file = (name: string, body: string | Buffer): TestEntry => ({
  name: Buffer.from(name),
  letter: '0',
  body: Buffer.from(body),
});
const effort = fc.constantFrom('fast' as const, 'thorough' as const);

/** What `old` becomes when bytes are changed, cut out, put in and moved. */
const edit = fc.array(
  fc.record({ at: fc.nat(3000), cut: fc.nat(40), put: fc.uint8Array({ maxLength: 40 }), move: fc.boolean() }),
  { maxLength: 6 },
);
function edited(old: Buffer, edits: { at: number; cut: number; put: Uint8Array; move: boolean }[]): Buffer {
  return edits.reduce((bytes, { at, cut, put, move }) => {
    const place = at % (bytes.length + 1);
    const [before, after] = [bytes.subarray(0, place), bytes.subarray(place + cut)];
    return move ? Buffer.concat([after, put, before]) : Buffer.concat([before, put, after]);
  }, old);
}

async function travels(fresh: Buffer, ...olds: Buffer[]): Promise<{ kinds: string[]; size: number }> {
  const layers = olds.map(layerOf);
  const made = await make(layerOf(fresh), layers);
  expect((await apply(Buffer.concat(made.parts), layers)).equals(fresh)).toBe(true);
  return { kinds: made.operations.map(({ kind }) => kind), size: made.size };
}

describe('a difference', () => {
  test('makes any tar from any others', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyTar,
        fc.array(anyTar, { maxLength: 2 }),
        effort,
        fc.nat(15),
        async (fresh, olds, effort, mask) => {
          const layers = olds.map(layerOf);
          const hostHas = (sha256: string) => (Number.parseInt(sha256.slice(-1), 16) & mask) === 0;
          const { parts, size } = await make(layerOf(fresh), layers, { effort, hostHas });
          const delta = Buffer.concat(parts);
          expect(size).toBe(delta.length);
          expect((await apply(delta, layers)).equals(fresh)).toBe(true);
        },
      ),
    );
  });

  test('makes any content from one that it was edited from', async () => {
    const body = fc.uint8Array({ minLength: 1, maxLength: 3000 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(fc.array(body, { minLength: 1, maxLength: 3 }), edit, effort, async (bodies, edits, effort) => {
        const old = layerOf(tarOfEntries(bodies.map((bytes, i) => file(`file ${i}`, bytes))));
        const fresh = layerOf(tarOfEntries(bodies.map((bytes, i) => file(`file ${i}`, edited(bytes, edits)))));
        const { parts } = await make(fresh, [old], { effort });
        expect((await apply(Buffer.concat(parts), [old])).equals(fresh.tar)).toBe(true);
      }),
    );
  });

  test('is the same for the same input', async () => {
    const [old, fresh] = [noise(300_000), Buffer.concat([noise(100_000), noise(9000, 2), noise(300_000)])];
    const made = () => make(layerOf(tarOfEntries([file('a', fresh)])), [layerOf(tarOfEntries([file('a', old)]))]);
    const [one, other] = [await made(), await made()];
    expect(Buffer.concat(one.parts).equals(Buffer.concat(other.parts))).toBe(true);
  });

  test('of equal layers says nothing but that', async () => {
    const tar = tarOfEntries(Array.from({ length: 300 }, (_, i) => file(`file ${i}`, noise(2000, i))));
    expect(await travels(tar, tar)).toEqual({ kinds: [], size: expect.toSatisfy((size: number) => size < 100) });
  });

  test('refers to contents that have another name, another place or another header, in any layer', async () => {
    const bodies = [1, 2, 3].map((seed) => noise(20_000, seed));
    const [one, two, three] = bodies as [Buffer, Buffer, Buffer];
    const old = [file('one', one), file('two', two)];
    const fresh = [
      { ...file('renamed', two), pax: { mtime: Buffer.from('1.5') } },
      { ...file('elsewhere/one', one), isBase256: true },
      file('from another layer', three),
      file('two', two),
    ];
    const { kinds, size } = await travels(tarOfEntries(fresh), tarOfEntries(old), tarOfEntries([file('x', three)]));
    expect(kinds).toEqual([]);
    expect(size).toBeLessThan(600);
  });

  test('sends a large content once that occurs twice, and small ones together', async () => {
    const large = noise(100_000, 5);
    const text = (i: number) => `the text of the file number ${i}\n`.repeat(20 + i);
    const entries = [
      file('a', large),
      ...Array.from({ length: 50 }, (_, i) => file(`text ${i}`, text(i))),
      file('b', large),
    ];
    const { kinds, size } = await travels(tarOfEntries(entries), tarOfEntries([]));
    expect(kinds).toEqual(['literal', 'literal', 'again']);
    expect(size).toBeLessThan(105_000);
  });

  test('of thousands of small files that all changed is applied with few of them open at a time', async () => {
    const tar = (version: number) =>
      tarOfEntries(Array.from({ length: 3000 }, (_, i) => file(`file ${i}`, `${version} is the version of file ${i}`)));
    const { kinds, size } = await travels(tar(2), tar(1));
    expect(kinds).toHaveLength(1);
    expect(size).toBeLessThan(30_000);
  });

  test('of an edited text is a few hundred bytes', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `const value${(i * 7919) % 30_011} = compute(${i});\n`);
    const old = lines.join('');
    const fresh = old.replace('compute(5000)', 'compute(5000, "edited")').replace('compute(25000)', 'other(1)');
    const { size } = await travels(tarOfEntries([file('bundle.js', fresh)]), tarOfEntries([file('bundle.js', old)]));
    expect(size).toBeLessThan(400);
  });

  test('of code whose addresses moved counts each distance once', async () => {
    // Calls every 16 bytes, whose targets all move by the same number: in bytes, with all their carries, they look less alike.
    const code = (shift: number) => {
      const bytes = noise(400_000, 3);
      for (let at = 0; at + 16 <= bytes.length; at += 16)
        bytes.writeInt32LE(((at * 2654435) % 5_000_000) + shift, at + 5);
      return bytes;
    };
    const tar = (shift: number) => tarOfEntries([file('lib.so', code(shift))]);
    const { kinds, size } = await travels(tar(0x11_2233), tar(0));
    expect(kinds).toEqual(['add']);
    expect(size).toBeLessThan(1000);
  });

  test('takes large contents in blocks, each with the part of the base that is near it', async () => {
    // Text that zstd cannot find in itself, with a line changed here and there.
    const old = Buffer.from(noise(6_500_000, 7).toString('hex'));
    const fresh = Buffer.concat([Buffer.from('begins otherwise\n'), old]);
    for (let at = 0; at + 100 < fresh.length; at += 1_000_000) fresh.write('changed', at);
    const [target, base] = [layerOf(tarOfEntries([file('a', fresh)])), layerOf(tarOfEntries([file('a', old)]))];
    const made = await makeDictionary(old, [base.recipe.contents[0]?.sha256 ?? 0], fresh, 'fast');
    expect(made.method).toMatchObject({ kind: 'dictionary', blocks: { length: 4 } });
    const delta = await deltaBy(target, [made]);
    expect(delta.length).toBeLessThan(20_000);
    expect((await apply(delta, [base])).equals(target.tar)).toBe(true);
  });

  test('uses a dictionary where small things changed everywhere in a text', async () => {
    const words = (seed: number) => Array.from(noise(20_000, seed), (byte) => `word${byte % 61}`);
    const [old, others] = [words(1), words(2)];
    const fresh = old.map((word, i) => (i % 4 === 0 ? (others[i] ?? word) : word));
    const { kinds } = await travels(
      tarOfEntries([file('a', fresh.join(' '))]),
      tarOfEntries([file('a', old.join(' '))]),
    );
    expect(kinds).toEqual(['dictionary']);
  });

  test('takes contents without a base that are larger than a window, in one stream', async () => {
    const fresh = Buffer.from(noise(4_700_000, 11).toString('hex'));
    const layer = layerOf(tarOfEntries([file('a', fresh), file('b', fresh.subarray(0, 500_000))]));
    const { parts, operations } = await make(layer, [], { effort: 'fast' });
    expect(operations.map(({ kind }) => kind)).toEqual(['literal', 'literal']);
    expect((await apply(Buffer.concat(parts), [])).equals(layer.tar)).toBe(true);
  });

  test('finds the older version of a file under a name with other numbers', async () => {
    const [old, fresh] = [noise(50_000), Buffer.concat([noise(50_000), Buffer.from('new')])];
    const { kinds, size } = await travels(
      tarOfEntries([file('usr/lib/modules/6.1.0-26/a.ko', fresh)]),
      tarOfEntries([file('usr/lib/modules/6.1.0-25/a.ko', old)]),
    );
    expect(kinds).toEqual(['add']);
    expect(size).toBeLessThan(300);
  });
});
