import { expect, it } from 'vitest';
import { temporaryFolder } from '../../../init-container/store/test-support.ts';
import { digestOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import { jsonRoute, TestDevice } from '../api-server.testing.ts';
import { DeviceLayers } from './device-layers.ts';
import { HostCache } from './host-cache.ts';
import { hostOf } from './store-line.testing.ts';

const [a, b] = [digestOf('a'), digestOf('b')];

async function layersOf(cache: HostCache, digest: Digest, has: Digest[]) {
  const layers = has.map((diffId) => ({ diffId, recipeBytes: 5 }));
  let asked = 0;
  const route = jsonRoute('GET', '/gantry/v1/layers', () => {
    asked += 1;
    return { digest, layers };
  });
  const device = await new TestDevice([route]).start();
  try {
    const { api } = await hostOf(device.path, await temporaryFolder());
    const read = await DeviceLayers.read({ api, cache });
    return { read: read ?? expect.fail('it knows of no layers'), asked };
  } finally {
    await device.remove();
  }
}

it('asks for a list once, and remembers the next one itself', async () => {
  const cache = new HostCache(await temporaryFolder());
  const first = await layersOf(cache, digestOf(b), [b]);
  expect([first.asked, first.read.all]).toEqual([2, [b]]);
  expect((await layersOf(cache, digestOf(b), [])).asked).toBe(1);
  await first.read.noteArrived([a]);
  const next = await layersOf(cache, digestOf([a, b].toSorted().join('\n')), []);
  expect([next.asked, [...next.read.all].sort()]).toEqual([1, [a, b].toSorted()]);
});

it('believes no device what another one has', async () => {
  const cache = new HostCache(await temporaryFolder());
  expect((await layersOf(cache, digestOf(b), [a])).read.all).toEqual([a]);
  expect((await layersOf(cache, digestOf(b), [b])).read.all).toEqual([b]);
});
