import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { mediaTypes } from '../../shared/oci/types.ts';
import { file } from '../oci/entry.ts';
import { writeLayer } from '../oci/layer.ts';
import { OciLayout } from '../oci/layout.ts';
import { ImageResolver } from './images.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  process.env.GANTRY_CACHE = join(dir, 'cache');
});
afterEach(() => {
  delete process.env.GANTRY_CACHE;
  rmSync(dir, { recursive: true });
});

async function addImage(layout: OciLayout, ref: string, architecture: 'amd64' | 'arm64') {
  const layer = await writeLayer(layout, [file('who', `${ref} ${architecture}`)], 'test');
  const config = { architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.diffId] } };
  const manifest = {
    schemaVersion: 2,
    config: await layout.writeBlob(canonicalJson(config), mediaTypes.config),
    layers: [layer.descriptor],
  };
  const descriptor = await layout.writeBlob(canonicalJson(manifest), mediaTypes.manifest);
  await layout.tag(ref, descriptor, architecture);
  return descriptor.digest;
}

describe('ImageResolver', () => {
  it('takes an image of an OCI layout by its name there, colon and all, for the architecture asked for', async () => {
    const layout = new OciLayout(join(dir, 'oci'));
    await addImage(layout, 'web:1', 'amd64');
    const two = await addImage(layout, 'web:2', 'amd64');
    const other = await addImage(layout, 'web:2', 'arm64');
    expect((await new ImageResolver('amd64', [], {}).resolve(`oci:${layout.dir}:web:2`)).digest).toBe(two);
    expect((await new ImageResolver('arm64', [], {}).resolve(`oci:${layout.dir}:web:2`)).digest).toBe(other);
    await expect(new ImageResolver('arm64', [], {}).resolve(`oci:${layout.dir}:web:1`)).rejects.toThrow(
      `${layout.dir} has no image web:1 for arm64`,
    );
  });

  it('takes the only image of a layout without a name, and refuses another architecture', async () => {
    const layout = new OciLayout(join(dir, 'oci'));
    const digest = await addImage(layout, 'tool:3', 'amd64');
    expect((await new ImageResolver('amd64', [], {}).resolve(`oci:${layout.dir}`)).digest).toBe(digest);
    await expect(new ImageResolver('arm64', [], {}).resolve(`oci:${layout.dir}`)).rejects.toThrow(
      'is for amd64, not arm64',
    );
  });

  it('finds components in the local store', async () => {
    const digest = await addImage(new OciLayout(join(dir, 'cache', 'oci')), 'mine:1', 'amd64');
    expect((await new ImageResolver('amd64', [], {}).resolve('mine:1')).digest).toBe(digest);
    await expect(new ImageResolver('amd64', [], {}).resolve('mine:2')).rejects.toThrow(
      'there is no image mine:2 for amd64',
    );
  });
});
