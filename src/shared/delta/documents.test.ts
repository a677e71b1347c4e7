import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { packDocuments, unpackDocuments } from './documents.ts';

const hex = (bytes: number) => randomBytes(bytes).toString('hex');
const layers = Array.from({ length: 30 }, () => hex(32));
const of = (ids: string[]) => ({
  manifest: JSON.stringify({ layers: ids.map((digest) => ({ digest, size: 1 })) }),
  config: JSON.stringify({ rootfs: { diff_ids: ids } }),
});

it('documents that differ in a layer travel as little more than its digests', async () => {
  const next = of([...layers.slice(0, -1), hex(32)]);
  const packed = await packDocuments(next, of(layers));
  expect(packed.length).toBeLessThan(150);
  expect(await unpackDocuments(packed, of(layers))).toEqual(next);
});

it('any two are what they were; another base or damage is an error, or other documents', async () => {
  const documents = fc.record({ manifest: fc.json(), config: fc.json() });
  await fc.assert(
    fc.asyncProperty(documents, documents, fc.nat(), async (one, base, at) => {
      const packed = await packDocuments(one, base);
      expect(await unpackDocuments(packed, base)).toEqual(one);
      const wrong = Buffer.from(packed);
      wrong[at % wrong.length] = (wrong[at % wrong.length] ?? 0) ^ 0x41;
      const outcome = await unpackDocuments(wrong, base).catch((error: Error) => error);
      if (outcome instanceof Error) expect(outcome.name).toBe('DeltaError');
    }),
  );
});

it('a bomb is refused before it is opened', async () => {
  const large = { manifest: ' '.repeat(9 << 20), config: '' };
  const packed = await packDocuments(large, of(layers));
  await expect(unpackDocuments(packed, of(layers))).rejects.toThrow(/and only 8388608 are taken/);
});
