import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyDelta } from '../../shared/delta/apply.ts';
import { ByteList } from '../../shared/delta/byte-list.ts';
import { bufferSource } from '../../shared/delta/byte-source.ts';
import {
  type AddData,
  type Block,
  decodeHead,
  encodeHead,
  readPrefix,
  type Stream,
} from '../../shared/delta/format.ts';
import { type TestEntry, tarOfEntries } from '../../shared/delta/tar.testing.ts';
import { varint } from '../../shared/delta/varint.ts';
import { pack } from './compressors.ts';
import { apply, contentsOf, deltaBy, layerOf, make, noise, type TestLayer } from './delta.testing.ts';
import { type Made, makeDictionary } from './methods.ts';

const file = (name: string, body: Buffer): TestEntry => ({ name: Buffer.from(name), letter: '0', body });
const text = Buffer.from(noise(30_000).toString('hex'));
const old = layerOf(
  tarOfEntries([
    file('code', noise(40_000)),
    file('text', text),
    file('same', noise(500, 9)),
    file('large', noise(70_000, 4)),
  ]),
);
const changed = Buffer.concat([noise(10_000), noise(300, 8), noise(40_000)]);
const fresh = layerOf(
  tarOfEntries([
    file('code', changed),
    file('text', Buffer.concat([text.subarray(5), Buffer.from('more')])),
    file('same', noise(500, 9)),
    file('new', Buffer.from('of its own')),
    file('new large', noise(70_000, 5)),
    file('new large, again', noise(70_000, 5)),
  ]),
);

/** A difference taken apart and put together again otherwise. */
async function altered(
  change: (head: ReturnType<typeof decodeHead>, data: Buffer) => Buffer | undefined,
): Promise<Buffer> {
  const delta = Buffer.concat((await make(fresh, [old], { effort: 'fast' })).parts);
  const { start, length } = readPrefix(delta.subarray(0, 12));
  const head = decodeHead(delta.subarray(start, start + length));
  const data = delta.subarray(start + length);
  const other = change(head, data) ?? data;
  return Buffer.concat([encodeHead(head), other]);
}

/** A difference of one content that is made by an add operation with these streams. */
async function withStreams(
  target: Buffer,
  content: { steps: number[][]; gaps?: number[]; words?: number[]; extra?: string },
): Promise<{ delta: Buffer; base: TestLayer }> {
  const base = layerOf(tarOfEntries([file('a', Buffer.from('the older content, 32 bytes long'))]));
  const layer = layerOf(tarOfEntries([file('a', target)]));
  const [steps, words] = [new ByteList(), new ByteList()];
  for (const [move = 0, add = 0, copy = 0] of content.steps) {
    steps.zigzag(move);
    steps.varint(add);
    steps.varint(copy);
  }
  for (const word of content.words ?? []) words.word(word);
  const gaps = Buffer.concat((content.gaps ?? []).map(varint));
  const bytes = [steps.bytes, gaps, words.bytes, Buffer.from(content.extra ?? '')];
  const packed = await Promise.all(bytes.map((one) => pack(one, 'fast')));
  const streams = packed.map(({ stream }) => stream) as [Stream, Stream, Stream, Stream];
  const named: AddData<Stream> = { steps: streams[0], gaps: streams[1], words: streams[2], extra: streams[3] };
  const bases = [base.recipe.contents[0]?.sha256 ?? 0];
  const made: Made = { method: { kind: 'add', bases, streams: named }, data: packed.map((one) => one.bytes) };
  return { delta: await deltaBy(layer, [made]), base };
}

const isDeltaError = expect.objectContaining({
  name: 'DeltaError',
  message: expect.stringMatching(/^[^\n]{10,300}$/),
});

describe('a hostile or damaged difference', () => {
  test('with any byte changed is refused, or makes a tar with another digest, no larger than it may be', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    await fc.assert(
      fc.asyncProperty(fc.nat(delta.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = Buffer.from(delta);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        const made = await apply(damaged, [old], { maxBytes: fresh.tar.length }).catch((error: unknown) => error);
        if (made instanceof Buffer) expect(made.length).toBeLessThanOrEqual(fresh.tar.length);
        else expect(made).toEqual(isDeltaError);
      }),
      { numRuns: 300 },
    );
  });

  test('cut off anywhere, or with anything behind it, is refused', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    await fc.assert(
      fc.asyncProperty(fc.nat(delta.length - 1), async (length) => {
        await expect(apply(delta.subarray(0, length), [old])).rejects.toEqual(isDeltaError);
      }),
    );
    await expect(apply(Buffer.concat([delta, Buffer.from([0])]), [old])).rejects.toThrow('more behind its end');
  });

  test('of any bytes behind the right magic is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(250), async (bytes, length) => {
        const delta = Buffer.concat([Buffer.from('GDL\x01'), varint(length), bytes]);
        await expect(apply(delta, [old])).rejects.toEqual(isDeltaError);
      }),
    );
  });

  test('of another version is told from a damaged one', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    const other = Buffer.from(delta);
    other[3] = 2;
    await expect(apply(other, [old])).rejects.toMatchObject({
      code: 'version',
      message: expect.stringContaining('version 2'),
    });
    other[0] = 0;
    await expect(apply(other, [old])).rejects.toMatchObject({ code: 'invalid' });
    await expect(apply(Buffer.alloc(0), [old])).rejects.toMatchObject({ code: 'invalid' });
  });

  test('needs the very base that it was made for', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    await expect(apply(delta, [])).rejects.toMatchObject({ code: 'base' });
    await expect(apply(delta, [fresh])).rejects.toMatchObject({ code: 'base' });
    for (const { path, sha256 } of old.recipe.contents) {
      for (const left of [0, 1]) {
        const made = apply(delta, [old], {
          // It is gone, or shorter.
          content: (digest, held) => (digest !== sha256 ? held : left === 0 ? undefined : held?.subarray(left)),
        });
        // Nothing is made from it.
        if (path === 'large') await expect(made).resolves.toEqual(fresh.tar);
        else await expect(made).rejects.toMatchObject({ code: 'base' });
      }
    }
  });

  test('makes another tar from a base with other bytes, which its digest tells', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    const made = await apply(delta, [old], { content: (_, held) => held && Buffer.alloc(held.length, 7) }).catch(
      () => undefined,
    );
    expect(made?.equals(fresh.tar) ?? false).toBe(false);
  });

  test('cannot make more than the caller takes', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    await expect(apply(delta, [old], { maxBytes: fresh.tar.length - 1 })).rejects.toMatchObject({ code: 'size' });
  });

  test('whose operations or data are in another order is refused', async () => {
    const reversed = await altered((head) => {
      const methods = head.operations.map(({ targets: _, ...method }) => method).reverse();
      head.operations = head.operations.flatMap(({ targets }, i) => (methods[i] ? [{ targets, ...methods[i] }] : []));
    });
    await expect(apply(reversed, [old])).rejects.toEqual(isDeltaError);
    const swapped = await altered((_, data) =>
      Buffer.concat([data.subarray(data.length / 2), data.subarray(0, data.length / 2)]),
    );
    await expect(apply(swapped, [old])).rejects.toEqual(isDeltaError);
  });

  test('whose operations do not fit the recipe is refused', async () => {
    const beyond = await altered((head) => {
      const last = head.operations.at(-1);
      if (last) last.targets = [1000];
    });
    await expect(apply(beyond, [old])).rejects.toThrow('contents that the layer does not have');
    const fewer = await altered((head) => void head.operations.pop());
    await expect(apply(fewer, [old])).rejects.toEqual(isDeltaError);
    const noBase = await altered((head) => {
      for (const operation of head.operations) if ('bases' in operation) operation.bases = [1000];
    });
    await expect(apply(noBase, [old])).rejects.toThrow('a content that its base does not have');
    const itself = await altered((head) => {
      for (const [i, operation] of head.operations.entries()) if (operation.kind === 'again') operation.operation = i;
    });
    await expect(apply(itself, [old])).rejects.toThrow('cannot be repeated');
  });

  test('whose blocks lie about their sizes is refused', async () => {
    const [content, changed] = [text, Buffer.concat([text, Buffer.from('more')])];
    const [base, target] = [layerOf(tarOfEntries([file('a', content)])), layerOf(tarOfEntries([file('a', changed)]))];
    const made = await makeDictionary(content, [base.recipe.contents[0]?.sha256 ?? 0], changed, 'fast');
    const withBlock = async (change: Partial<Block>) => {
      if (made.method.kind !== 'dictionary') throw new Error('it is no dictionary operation');
      const blocks = made.method.blocks.map((block) => ({ ...block, ...change }));
      return apply(await deltaBy(target, [{ method: { ...made.method, blocks }, data: made.data }]), [base]);
    };
    await expect(withBlock({})).resolves.toEqual(target.tar);
    await expect(withBlock({ from: 60_000 })).rejects.toThrow('behind the end of its base');
    await expect(withBlock({ dictionary: 9_000_000 })).rejects.toThrow('larger than blocks may be');
    await expect(withBlock({ size: 2 ** 40 })).rejects.toThrow('larger than blocks may be');
    await expect(withBlock({ size: 10 })).rejects.toThrow('more or less than its contents');
    await expect(withBlock({ length: 2 ** 20 })).rejects.toEqual(isDeltaError);
  });

  test('that builds much on large contents to make little is refused', async () => {
    const large = Buffer.alloc(8 * 1024 * 1024, 'large');
    const base = layerOf(tarOfEntries([file('a', large)]));
    const names = Array.from({ length: 33 }, (_, i) => `file ${i}`);
    const target = layerOf(tarOfEntries(names.map((name) => file(name, Buffer.from('b')))));
    const one = await makeDictionary(large, [base.recipe.contents[0]?.sha256 ?? 0], Buffer.from('b'), 'fast');
    const made = names.map(() => one);
    await expect(apply(await deltaBy(target, made), [base])).rejects.toMatchObject({ code: 'limit' });
    const fewer = layerOf(tarOfEntries(names.slice(0, 3).map((name) => file(name, Buffer.from('b')))));
    await expect(apply(await deltaBy(fewer, made.slice(0, 3)), [base])).resolves.toEqual(fewer.tar);
    // Nor in small blocks.
    const many = layerOf(tarOfEntries([file('a', Buffer.from('bb'))]));
    const [block, data] = [one.method.kind === 'dictionary' ? one.method.blocks : [], one.data];
    const blocks = [...block, ...block];
    const twice = deltaBy(many, [{ method: { kind: 'dictionary', bases: [], blocks }, data: [...data, ...data] }]);
    await expect(apply(await twice, [base])).rejects.toThrow('smaller than blocks are');
  });

  test('that builds on several large contents at once is refused before they are read', async () => {
    const large = ['a', 'b'].map((name) => file(name, Buffer.alloc(5 * 1024 * 1024, name)));
    const base = layerOf(tarOfEntries(large));
    const target = layerOf(tarOfEntries([file('c', Buffer.from('c'))]));
    const bases = base.recipe.contents.map(({ sha256 }) => sha256);
    const made = await makeDictionary(Buffer.from('base'), bases, Buffer.from('c'), 'fast');
    await expect(apply(await deltaBy(target, [made]), [base])).rejects.toThrow('larger than they may be together');
  });

  test('whose base cannot be read is one whose base is not there', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    const failing = applyDelta({
      delta: bufferSource(delta),
      openRecipe: async () => old.encoded,
      openContent: async (sha256) => {
        const size = contentsOf([old]).get(sha256)?.length ?? 0;
        const read = () => Promise.reject(new Error('EIO: i/o error, read'));
        return { size, read, close: async () => undefined };
      },
      maxBytes: fresh.tar.length,
    });
    const made = (async () => {
      for await (const _ of failing);
    })();
    await expect(made).rejects.toMatchObject({ code: 'base', message: expect.stringContaining('cannot be read') });
  });

  test('that nobody wants any more leaves nothing open', async () => {
    const delta = Buffer.concat((await make(fresh, [old])).parts);
    for (const after of [0, 1, 2, 5, 8])
      await expect(apply(delta, [old], { stopAfter: after })).resolves.toBeInstanceOf(Buffer);
  });

  test('whose stream is a bomb is refused after what it was said to have', async () => {
    const bomb = await pack(Buffer.alloc(50_000_000), 'fast');
    const target = layerOf(tarOfEntries([file('a', Buffer.from('small'))]));
    const data: Stream = { ...bomb.stream, size: 5 };
    const delta = await deltaBy(target, [{ method: { kind: 'literal', data }, data: [bomb.bytes] }]);
    await expect(apply(delta, [])).rejects.toThrow('longer than it says');
  });

  test('whose steps lead anywhere is refused', async () => {
    const tries: [Parameters<typeof withStreams>[1], string | undefined][] = [
      [{ steps: [[0, 10, 0]] }, undefined],
      [{ steps: [[22, 10, 0]] }, undefined],
      [{ steps: [[23, 10, 0]] }, 'leads out of what it builds on'],
      [{ steps: [[-1, 10, 0]] }, 'leads out of what it builds on'],
      [{ steps: [[Number.MAX_SAFE_INTEGER / 4, 10, 0]] }, 'leads out of what it builds on'],
      [{ steps: [[0, 11, 0]] }, 'makes more than there is to make'],
      [{ steps: [[0, 5, 2 ** 40]], extra: 'abc' }, 'makes more than there is to make'],
      [
        {
          steps: [
            [0, 0, 0],
            [0, 10, 0],
          ],
        },
        'or nothing',
      ],
      [{ steps: [[0, 5, 0]] }, 'a number that is none'],
      [
        {
          steps: [
            [0, 10, 0],
            [0, 1, 0],
          ],
        },
        'longer than what is made of it',
      ],
      [{ steps: [[0, 5, 5]], extra: 'abc' }, 'ends too early'],
      [{ steps: [[0, 5, 5]], extra: 'abcde' }, undefined],
      [{ steps: [[0, 5, 5]], extra: 'abcdef' }, 'longer than what is made of it'],
      [{ steps: [[0, 10, 0]], gaps: [3], words: [1] }, undefined],
      [{ steps: [[0, 10, 0]], gaps: [9], words: [0x12345678] }, undefined],
      [{ steps: [[0, 10, 0]], gaps: [3] }, 'ends too early'],
      [{ steps: [[0, 10, 0]], gaps: [3], words: [1, 2] }, 'longer than what is made of it'],
      [{ steps: [[0, 10, 0]], gaps: [10], words: [1] }, 'longer than what is made of it'],
    ];
    for (const [content, words] of tries) {
      const { delta, base } = await withStreams(Buffer.from('ten bytes.'), content);
      if (words === undefined) await apply(delta, [base]);
      else await expect(apply(delta, [base])).rejects.toThrow(words);
    }
  });

  test('of more parts than any layer needs is refused before they take memory', async () => {
    const many = await altered((head) => {
      const [first] = head.operations;
      const again = { targets: [0], kind: 'again', operation: 0 } as const;
      if (first)
        head.operations = [first, ...Array.from({ length: 200_000 }, (_, i) => ({ ...again, targets: [i + 1] }))];
    });
    await expect(apply(many, [old])).rejects.toMatchObject({ code: 'limit' });
  });

  test('that claims a recipe of any size is refused before memory is used', async () => {
    const bomb = await altered((head) => {
      head.recipe.size = 2 ** 50;
    });
    await expect(apply(bomb, [old])).rejects.toMatchObject({ code: 'limit' });
    for (const change of [1, -1]) {
      const other = await altered((head) => {
        head.recipe.size += change;
      });
      await expect(apply(other, [old])).rejects.toEqual(isDeltaError);
    }
    const long = Buffer.concat([Buffer.from('GDL\x01'), varint(2 ** 50)]);
    await expect(apply(long, [old])).rejects.toMatchObject({ code: 'invalid' });
  });
});
