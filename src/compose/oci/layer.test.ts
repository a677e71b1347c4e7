import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyLayer, overlayEntry } from '../image/flatten.ts';
import { directory, type Entry, file, symlink } from './entry.ts';
import { writeLayer } from './layer.ts';
import { OciLayout } from './layout.ts';
import { readTar } from './tar.ts';

const layout = () => new OciLayout(mkdtempSync(join(tmpdir(), 'gantry-test-')));
const sha256 = (data: Buffer) => `sha256:${createHash('sha256').update(data).digest('hex')}`;

const name = fc
  .stringMatching(/^[a-z0-9 äß._-]{1,40}$/)
  .filter((s) => s !== '.' && s !== '..' && s.trim() === s && !s.startsWith('.wh.'));
const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc
    .tuple(path, fc.uint8Array({ maxLength: 2000 }), fc.integer({ min: 0, max: 0o7777 }))
    .map(([p, data, mode]) => file(p, Buffer.from(data), mode)),
  path.map((p) => directory(p)),
  fc.tuple(path, path).map(([p, target]) => symlink(p, `../${target}`)),
);

describe('writeLayer', () => {
  it('gives the same bytes for the same entries in any order, with the digests it states', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(entry, { selector: (e) => e.path, maxLength: 12 }), async (entries) => {
        const store = layout();
        const one = await writeLayer(store, [...entries], 'a');
        const two = await writeLayer(store, [...entries].reverse(), 'b');
        expect(two.descriptor).toEqual(one.descriptor);
        const blob = readFileSync(store.blobPath(one.descriptor.digest));
        expect(sha256(blob)).toBe(one.descriptor.digest);
        expect(sha256(gunzipSync(blob))).toBe(one.diffId);
        const back: Entry[] = [];
        for await (const read of readTar(Readable.from([gunzipSync(blob)]))) back.push(read);
        const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
        expect(back).toEqual(sorted);
      }),
      { numRuns: 40 },
    );
  });
});

describe('applyLayer', () => {
  async function* list(...entries: Entry[]) {
    yield* entries;
  }

  it('removes what a whiteout names and everything below it, and nothing that only begins alike', async () => {
    const root = new Map<string, Entry>();
    await applyLayer(
      root,
      list(directory('a'), file('a/b', '1'), directory('a/c'), file('a/c/d', '2'), file('a/cc', '3')),
    );
    await applyLayer(root, list(file('a/.wh.c', ''), file('a/e', '4')));
    expect([...root.keys()].sort()).toEqual(['a', 'a/b', 'a/cc', 'a/e']);
  });

  it('empties a folder that a layer marks opaque before it is filled again', async () => {
    const root = new Map<string, Entry>();
    await applyLayer(root, list(directory('a'), file('a/old', '1')));
    await applyLayer(root, list(file('a/.wh..wh..opq', ''), file('a/new', '2')));
    expect([...root.keys()].sort()).toEqual(['a', 'a/new'].sort());
  });

  it('turns whiteouts into what overlayfs understands', () => {
    expect(overlayEntry(file('a/.wh.b', ''))).toMatchObject({
      path: 'a/b',
      type: 'character-device',
      devmajor: 0,
      devminor: 0,
    });
    expect(overlayEntry(file('a/.wh..wh..opq', ''))?.pax).toEqual({ 'SCHILY.xattr.trusted.overlay.opaque': 'y' });
  });
});
