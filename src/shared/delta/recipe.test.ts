import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { decodeRecipe, encodeRecipe, type Recipe, recipeId, TarSplitter, tarOf, tarSize } from './recipe.ts';
import { compressRecipe, decompressRecipe } from './recipe-codec.ts';
import { anyTar, header, inPieces, tarEntry, tarOfEntries } from './tar.testing.ts';

const lengths = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 5 });

function split(tar: Buffer, pieces: readonly number[] = [65536]): Recipe {
  const splitter = new TarSplitter();
  for (const piece of inPieces(tar, pieces)) splitter.push(piece);
  const recipe = splitter.end();
  if (!recipe) throw new Error('the recipe is too large');
  return recipe;
}

/** The tar made again from contents that are looked up by their digest, as a device does it. */
async function rebuilt(recipe: Recipe, tar: Buffer): Promise<Buffer> {
  const held = new Map<string, Buffer>(
    recipe.contents.map(({ tarOffset, size }) => {
      const content = tar.subarray(tarOffset, tarOffset + size);
      return [`sha256:${createHash('sha256').update(content).digest('hex')}`, content] as const;
    }),
  );
  const parts: Uint8Array[] = [];
  const open = async function* (sha256: string) {
    const content = held.get(sha256);
    if (!content) throw new Error(`${sha256} is not there`);
    yield* inPieces(content, [700]);
  };
  for await (const part of tarOf(recipe, ({ sha256 }) => open(sha256))) parts.push(part);
  return Buffer.concat(parts);
}

/** Exact again, and the same recipe whether it was serialised in between or the chunks were others. */
async function expectExact(tar: Buffer, pieces: readonly number[] = [65536]): Promise<Recipe> {
  const recipe = split(tar, pieces);
  const encoded = encodeRecipe(recipe);
  const decoded = decodeRecipe(encoded);
  expect(decoded).toEqual(recipe);
  expect(encodeRecipe(decoded).equals(encoded)).toBe(true);
  expect(encodeRecipe(split(tar)).equals(encoded)).toBe(true);
  expect(tarSize(decoded)).toBe(tar.length);
  expect((await rebuilt(decoded, tar)).equals(tar)).toBe(true);
  return decoded;
}

const file = (name: string, body: string) => ({ name: Buffer.from(name), letter: '0', body: Buffer.from(body) });

describe('a recipe', () => {
  test('makes any tar again, however its bytes arrive', async () => {
    await fc.assert(fc.asyncProperty(anyTar, lengths, async (tar, pieces) => void (await expectExact(tar, pieces))));
  });

  test('makes a tar again that ends anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(anyTar, fc.nat(8000), lengths, async (tar, end, pieces) => {
        await expectExact(tar.subarray(0, end), pieces);
      }),
    );
  });

  test('makes a tar again in which any byte is wrong, and what is no tar at all', async () => {
    await fc.assert(
      fc.asyncProperty(anyTar, fc.nat(8000), fc.integer({ min: 1, max: 255 }), async (tar, at, change) => {
        const damaged = Buffer.from(tar);
        if (at < damaged.length) damaged[at] = (damaged[at] ?? 0) ^ change;
        await expectExact(damaged);
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 4000 }),
        async (bytes) => void (await expectExact(Buffer.from(bytes))),
      ),
    );
  });

  test('says where each content is and what it is called', async () => {
    const long = `a/${'long/'.repeat(60)}name`;
    const recipe = await expectExact(
      tarOfEntries([
        { name: Buffer.from('folder/'), letter: '5', body: Buffer.alloc(0) },
        file('folder/empty', ''),
        file('folder/one', 'the first'),
        { ...file(long, 'the second'), isLongName: true, isBase256: true },
        {
          ...file('x', 'the third'),
          pax: { path: Buffer.from('by/pax'), 'SCHILY.xattr.user.a': Buffer.from([255, 10]) },
        },
        { name: Buffer.from('link'), letter: '2', body: Buffer.alloc(0), linkName: Buffer.from('folder/one') },
        { ...file('also', 'the first') },
      ]),
    );
    expect(recipe.contents.map(({ path, size }) => [path, size])).toEqual([
      ['folder/one', 9],
      [long, 10],
      ['by/pax', 9],
      ['also', 9],
    ]);
    expect(recipe.contents[0]?.tarOffset).toBe(3 * 512);
    expect(recipe.contents[0]?.sha256).toBe(recipe.contents[3]?.sha256);
  });

  test('heeds the size of a PAX record, and not that of a folder', async () => {
    const large = { ...file('large', 'its body is as long as the record says'), saidSize: 0 };
    const recipe = await expectExact(
      tarOfEntries([
        { ...large, pax: { size: Buffer.from(`${large.body.length}`) } },
        { name: Buffer.from('folder'), letter: '5', body: Buffer.alloc(0), saidSize: 4096 },
        file('after', 'it'),
      ]),
    );
    expect(recipe.contents.map(({ path }) => path)).toEqual(['large', 'after']);
  });

  test('takes a size that no tar can have for what it is', async () => {
    const huge = { ...file('huge', 'short'), saidSize: Number.MAX_SAFE_INTEGER, isBase256: true };
    expect((await expectExact(tarOfEntries([file('a', 'b'), huge]))).contents.map(({ path }) => path)).toEqual(['a']);
    const tooLong = { ...huge, saidSize: 2 ** 40 };
    const { contents, cut } = await expectExact(tarOfEntries([file('a', 'b'), tooLong]));
    expect(contents.at(-1)?.size).toBe(2 ** 40 - cut);
    expect((await expectExact(header(file('cut off', ''), 9))).cut).toBe(9);
  });

  test('is given up when it would be larger than the limit, whatever follows', () => {
    const splitter = new TarSplitter({ maxMetaBytes: 2048 });
    for (let i = 0; i < 4; i++) splitter.push(tarEntry(file(`file ${i}`, 'body')));
    expect(splitter.end()).toBeUndefined();
  });

  test('has an id that tells tars apart which differ in a content alone', () => {
    const digest = (body: string) => recipeId(encodeRecipe(split(tarOfEntries([file('a', body)]))));
    expect(digest('one')).toBe(digest('one'));
    expect(digest('one')).not.toBe(digest('two'));
  });

  test('refuses a content that is longer or shorter than it should be', async () => {
    const tar = tarOfEntries([file('a', 'content')]);
    for (const other of ['contents', 'conten', '']) {
      const open = async function* () {
        yield Buffer.from(other);
      };
      const made = (async () => {
        for await (const _ of tarOf(split(tar), open));
      })();
      await expect(made).rejects.toThrow(/"a" is (longer|shorter) here than the 7 bytes/);
    }
  });
});

describe('a serialised recipe', () => {
  test('is refused when it is damaged, and never more than refused', async () => {
    await fc.assert(
      fc.property(anyTar, fc.nat(3000), fc.integer({ min: 1, max: 255 }), fc.boolean(), (tar, at, change, isCut) => {
        const encoded = Buffer.from(encodeRecipe(split(tar)));
        if (at >= encoded.length) return;
        encoded[at] = (encoded[at] ?? 0) ^ change;
        try {
          const recipe = decodeRecipe(isCut ? encoded.subarray(0, at) : encoded);
          expect(Number.isSafeInteger(tarSize(recipe))).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({
            name: 'DeltaError',
            message: expect.stringMatching(/^the recipe of the layer (is|has) /),
          });
        }
      }),
    );
  });

  test('of another version is told from a damaged one', () => {
    const encoded = Buffer.from(encodeRecipe(split(Buffer.alloc(1024))));
    encoded[3] = 2;
    expect(() => decodeRecipe(encoded)).toThrow(expect.objectContaining({ code: 'version' }));
    encoded[0] = 0;
    expect(() => decodeRecipe(encoded)).toThrow(expect.objectContaining({ code: 'invalid' }));
  });

  test('with as many digests as contents alone is one', () => {
    const { meta, contents } = split(tarOfEntries([file('a', 'one'), file('b', 'two')]));
    const encoded = encodeRecipe({ meta, contents: contents.slice(1), cut: 0 });
    expect(() => decodeRecipe(encoded)).toThrow('another number of contents');
    expect(() => decodeRecipe(encodeRecipe({ meta, contents, cut: 1 }))).toThrow('cannot be cut off');
  });

  test('of thousands of files is small beside one that it is like', async () => {
    const entries = Array.from({ length: 5000 }, (_, i) =>
      file(`node_modules/package-${i % 97}/lib/file-${i}.js`, `content ${i}`),
    );
    const base = encodeRecipe(split(tarOfEntries(entries)));
    const changed = entries.map((entry, i) => (i === 2500 ? { ...entry, body: Buffer.from('something else') } : entry));
    const encoded = encodeRecipe(split(tarOfEntries(changed)));
    const compressed = await compressRecipe(encoded, { base });
    expect(compressed.length).toBeLessThan(200);
    expect((await decompressRecipe(compressed, { base, maxBytes: encoded.length })).equals(encoded)).toBe(true);
  });

  test('cannot become larger than the limit', () => {
    const encoded = encodeRecipe(split(Buffer.alloc(1024 * 1024)));
    expect(encoded.length).toBeLessThan(32);
    expect(() => decodeRecipe(encoded, { maxMetaBytes: 1000 })).toThrow(expect.objectContaining({ code: 'limit' }));
    const small = encodeRecipe({ meta: Buffer.from(`abc${'\0'.repeat(17)}`), contents: [], cut: 0 });
    const [size, zeros] = [6, small.length - 1];
    for (const [at, value, word] of [
      [size, 2, 'larger'],
      [size, 19, 'larger'],
      [size, 21, 'smaller'],
      [zeros, 18, 'larger'],
    ] as const) {
      const wrong = Buffer.from(small);
      wrong[at] = value;
      expect(() => decodeRecipe(wrong)).toThrow(`it is ${word} than it says`);
    }
  });

  test('is decompressed within its limit, with the right base, and whole', async () => {
    const encoded = encodeRecipe(split(tarOfEntries([file('a', 'one'), file('b', 'two')])));
    const base = encodeRecipe(split(tarOfEntries([file('a', 'one'), file('c', 'three')])));
    const compressed = await compressRecipe(encoded, { base });
    const read = (bytes: Buffer, dictionary = base) =>
      decompressRecipe(bytes, { base: dictionary, maxBytes: encoded.length });
    await expect(read(compressed)).resolves.toEqual(encoded);
    await expect(decompressRecipe(compressed, { base, maxBytes: encoded.length - 1 })).rejects.toMatchObject({
      code: 'limit',
    });
    await expect(read(compressed.subarray(0, -3))).rejects.toMatchObject({ code: 'invalid' });
    await expect(read(Buffer.concat([compressed, compressed]))).rejects.toMatchObject({ code: 'invalid' });
    await expect(read(Buffer.concat([compressed, Buffer.from('junk')]))).rejects.toMatchObject({ code: 'invalid' });
    const other = await read(compressed, Buffer.from(base).fill(1)).catch((error) => error);
    expect(other instanceof Buffer && other.equals(encoded)).toBe(false);
  });
});

describe('tars of real programs', () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  test.each(['ustar', 'pax', 'gnu', 'oldgnu', 'v7'])('GNU tar writes as %s', async (format) => {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-recipe-'));
    folders.push(folder);
    mkdirSync(join(folder, 'tree/deep'), { recursive: true });
    writeFileSync(join(folder, 'tree/script'), '#!/bin/sh\n');
    chmodSync(join(folder, 'tree/script'), 0o4755);
    linkSync(join(folder, 'tree/script'), join(folder, 'tree/again'));
    symlinkSync('script', join(folder, 'tree/to-script'));
    writeFileSync(join(folder, 'tree/empty'), '');
    writeFileSync(join(folder, 'tree/sparse'), 'begins');
    truncateSync(join(folder, 'tree/sparse'), 1_000_000);
    if (format !== 'v7') writeFileSync(join(folder, 'tree/deep', 'n'.repeat(90)), 'long name');
    const pack = (...options: string[]) =>
      execFileSync('tar', [`--format=${format}`, ...options, '-C', folder, '-cf', '-', 'tree'], { maxBuffer: 2 ** 24 });
    const { contents } = await expectExact(pack());
    expect(contents.map(({ path }) => path)).toContain('tree/sparse');
    expect(contents).toHaveLength(format === 'v7' ? 2 : 3);
    if (format === 'gnu' || format === 'pax') await expectExact(pack('--sparse'));
  });
});
