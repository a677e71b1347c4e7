import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { type Inventory, type Needs, planCollection, reclaimableBytes } from './garbage.ts';

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const imageNames = names('image', 6);
const layerNames = names('layer', 8);
const volumeNames = names('volume', 4);
const uploadNames = names('upload', 3);

const inventories: fc.Arbitrary<Inventory> = fc
  .record({
    images: fc.array(fc.subarray(layerNames), { minLength: 6, maxLength: 6 }),
    revisions: fc.array(
      fc.record({ images: fc.subarray(imageNames), volumes: fc.subarray(volumeNames), committed: fc.boolean() }),
      { maxLength: 6 },
    ),
    orphans: fc.subarray(['orphan0', 'orphan1']),
    sizes: fc.array(fc.nat(100), { minLength: 40, maxLength: 40 }),
  })
  .map(({ images, revisions, orphans, sizes }) => {
    let next = 0;
    const sized = (all: readonly string[]) => new Map(all.map((name) => [name, sizes[next++ % sizes.length] ?? 0]));
    return {
      images: images.map((layers, index) => ({
        digest: digestOf(`image${index}`),
        name: `image${index}`,
        documents: [`manifest${index}`, `config${index % 2}`],
        layers,
      })),
      revisions: revisions.map((revision, index) => ({
        number: index + 1,
        images: revision.images.map((name) => digestOf(name)),
        volumes: revision.volumes,
        content: `content${index % 4}`,
        committed: revision.committed,
      })),
      layers: sized([...layerNames, ...orphans]),
      documents: sized([...imageNames.map((_, i) => `manifest${i}`), 'config0', 'config1', ...orphans]),
      volumes: sized(volumeNames),
      contents: sized(names('content', Math.min(4, revisions.length))),
      uploads: sized(uploadNames),
    };
  });

const needsOf = (inventory: Inventory): fc.Arbitrary<Needs> =>
  fc.record({
    revisions: fc.subarray(inventory.revisions.map(({ number }) => number)).map((numbers) => new Set(numbers)),
    images: fc.subarray(imageNames.map((name) => digestOf(name))).map((images) => new Set(images)),
    volumes: fc.subarray(volumeNames).map((volumes) => new Set(volumes)),
    uploads: fc.subarray(uploadNames).map((uploads) => new Set(uploads)),
  });

const situations = inventories.chain((inventory) =>
  fc.record({ inventory: fc.constant(inventory), needs: needsOf(inventory), wanted: fc.nat(800) }),
);

/** All that must be there still when `removed` revisions are gone: the same question, asked from the other side. */
function needed({ revisions, images }: Inventory, needs: Needs, removed: ReadonlySet<string>): Set<string> {
  const kept = revisions.filter(({ number }) => !removed.has(`revision ${number}`));
  const keys = new Set<string>([...needs.volumes].map((name) => `volume ${name}`));
  for (const name of needs.uploads) keys.add(`upload ${name}`);
  for (const { volumes } of kept) for (const name of volumes) keys.add(`volume ${name}`);
  for (const { digest, name, documents, layers } of images) {
    if (!needs.images.has(digest) && !kept.some((revision) => revision.images.includes(digest))) continue;
    keys.add(`image ${name}`);
    for (const document of documents) keys.add(`document ${document}`);
    for (const layer of layers) keys.add(`layer ${layer}`);
  }
  return keys;
}

describe('a collection', () => {
  it('never has what is needed, nor anything twice, and counts every byte once', () => {
    fc.assert(
      fc.property(situations, ({ inventory, needs, wanted }) => {
        for (const collection of [planCollection(inventory, needs), planCollection(inventory, needs, wanted)]) {
          const removed = collection.items.map(({ kind, name }) => `${kind} ${name}`);
          expect(new Set(removed).size).toBe(removed.length);
          for (const number of needs.revisions) expect(removed).not.toContain(`revision ${number}`);
          const must = needed(inventory, needs, new Set(removed));
          expect(removed.filter((key) => must.has(key))).toEqual([]);
          expect(collection.bytes).toBe(collection.items.reduce((sum, { bytes }) => sum + bytes, 0));
        }
      }),
    );
  });

  it('of everything leaves only what is needed', () => {
    fc.assert(
      fc.property(situations, ({ inventory, needs }) => {
        const { items, bytes } = planCollection(inventory, needs);
        const removed = new Set(items.map(({ kind, name }) => `${kind} ${name}`));
        const must = needed(inventory, needs, removed);
        for (const { number } of inventory.revisions)
          expect(removed.has(`revision ${number}`)).toBe(!needs.revisions.has(number));
        const kept = inventory.revisions.filter(({ number }) => needs.revisions.has(number));
        let total = 0;
        const add = (kind: string, all: ReadonlyMap<string, number>) => {
          for (const [name, size] of all) if (!must.has(`${kind} ${name}`)) total += size;
        };
        add('layer', inventory.layers);
        add('document', inventory.documents);
        add('volume', inventory.volumes);
        add('upload', inventory.uploads);
        for (const content of new Set(inventory.revisions.map((revision) => revision.content)))
          if (!kept.some((revision) => revision.content === content)) total += inventory.contents.get(content) ?? 0;
        expect(bytes).toBe(total);
        expect(reclaimableBytes(inventory, needs)).toBe(total);
      }),
    );
  });

  it('takes no revision more than is wanted, the failed ones first and then the oldest', () => {
    fc.assert(
      fc.property(situations, ({ inventory, needs, wanted }) => {
        const { items, bytes } = planCollection(inventory, needs, wanted);
        const all = planCollection(inventory, needs);
        expect(bytes).toBeGreaterThanOrEqual(Math.min(wanted, all.bytes));
        expect(all.items.slice(0, items.length)).toEqual(items);
        const last = items.findLastIndex(({ kind }) => kind === 'revision');
        const before = items.slice(0, Math.max(0, last)).reduce((sum, item) => sum + item.bytes, 0);
        if (last >= 0 && wanted > 0) expect(before).toBeLessThan(wanted);
        if (wanted === 0) expect(items).toEqual([]);
        const order = all.items.flatMap(({ kind, name }) => (kind === 'revision' ? [Number(name)] : []));
        const committed = (number: number) => inventory.revisions.some((r) => r.number === number && r.committed);
        expect(order).toEqual([
          ...order.filter((number) => !committed(number)).sort((a, b) => a - b),
          ...order.filter(committed).sort((a, b) => a - b),
        ]);
      }),
    );
  });
});
