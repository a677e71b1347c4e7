import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Descriptor, mediaTypes } from '../../shared/oci/types.ts';
import { file } from './entry.ts';
import { forgetImage } from './forget-image.ts';
import { type Layer, writeLayer } from './layer.ts';
import { OciLayout } from './layout.ts';

let layout: OciLayout;
beforeEach(() => {
  layout = new OciLayout(mkdtempSync(join(tmpdir(), 'gantry-forget-')));
});
afterEach(() => rmSync(layout.dir, { recursive: true, force: true }));

async function imageOf(layers: Layer[]): Promise<{ manifest: Descriptor; config: Descriptor }> {
  const config = await layout.writeBlob(JSON.stringify(layers.map(({ diffId }) => diffId)), mediaTypes.config);
  const body = { schemaVersion: 2, config, layers: layers.map(({ descriptor }) => descriptor) };
  return { config, manifest: await layout.writeBlob(JSON.stringify(body), mediaTypes.manifest) };
}

it('removes what only this image has, and nothing of one that has a name', async () => {
  const [shared, old, current] = await Promise.all(
    ['shared', 'old', 'current'].map((text) => writeLayer(layout, [file('a', text)], text)),
  );
  if (!shared || !old || !current) return expect.fail();
  const before = await imageOf([shared, old]);
  const after = await imageOf([shared, current]);
  await layout.tag('web:1', before.manifest, 'amd64');
  await forgetImage(layout, before.manifest.digest);
  expect(layout.has(old.descriptor.digest)).toBe(true);
  await layout.tag('web:1', after.manifest, 'amd64');
  await forgetImage(layout, before.manifest.digest);
  const gone = [before.manifest, before.config, old.descriptor].map(({ digest }) => layout.has(digest));
  const kept = [after.manifest, after.config, shared.descriptor, current.descriptor].map(({ digest }) =>
    layout.has(digest),
  );
  expect([gone, kept]).toEqual([
    [false, false, false],
    [true, true, true, true],
  ]);
  // Twice does no harm.
  await forgetImage(layout, before.manifest.digest);
});
