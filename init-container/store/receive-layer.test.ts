import { execFileSync } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { isLayerMediaType, receiveLayer } from './receive-layer.ts';
import { layerOf, pieces, type TarEntry, tarOf, temporaryFolder } from './test-support.ts';

async function unpack(
  tar: Buffer,
  compression: 'none' | 'gzip' | 'zstd' = 'none',
  maxBytes = 1 << 24,
): Promise<string> {
  const outer = await temporaryFolder();
  const folder = join(outer, 'layer');
  await mkdir(folder);
  const { blob, mediaType, ...digests } = layerOf(tar, compression);
  if (!isLayerMediaType(mediaType)) throw new Error(mediaType);
  await receiveLayer({ source: pieces(blob), mediaType, ...digests, folder, maxBytes });
  return folder;
}

const unpackEntries = async (entries: TarEntry[]) => unpack(await tarOf(entries));

/** Every name below `folder`, links not followed. */
async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

/** Opaque mark of overlayfs, as the kernel sees it. */
function xattrOf(path: string, name: string): string {
  const script = 'import os,sys; sys.stdout.write(os.getxattr(sys.argv[1], sys.argv[2], follow_symlinks=False).hex())';
  return execFileSync('python3', ['-c', script, path, name]).toString();
}

describe('a layer is unpacked', () => {
  it.each(['none', 'gzip', 'zstd'] as const)('from %s, with owners, modes, times and links', async (compression) => {
    const time = new Date('2024-02-03T04:05:06Z');
    const tar = await tarOf([
      { name: './', type: 'directory', mode: 0o751 },
      { name: 'bin/', type: 'directory', mtime: time },
      { name: 'bin/su', mode: 0o4755, uid: 3, gid: 4, mtime: time, content: 'x'.repeat(70_000) },
      { name: 'bin/sudo', type: 'link', linkname: 'bin/su' },
      { name: 'sh', type: 'symlink', linkname: '/bin/su', uid: 5, gid: 6, mtime: time },
      { name: 'implied/by/child', content: 'ä' },
      { name: 'etc/größe', content: 'utf8' },
      { name: `long/${'n'.repeat(120)}/${'m'.repeat(120)}`, content: 'pax' },
      { name: 'pipe', type: 'fifo', mode: 0o600 },
      { name: 'null', type: 'character-device', devmajor: 1, devminor: 3, mode: 0o666 },
    ]);
    const folder = await unpack(tar, compression);

    expect((await lstat(folder)).mode & 0o7777).toBe(0o751);
    const su = await lstat(join(folder, 'bin/su'));
    expect([su.mode & 0o7777, su.uid, su.gid, su.mtime, su.size, su.nlink]).toEqual([0o4755, 3, 4, time, 70_000, 2]);
    expect((await lstat(join(folder, 'bin'))).mtime).toEqual(time);
    const link = await lstat(join(folder, 'sh'));
    expect([await readlink(join(folder, 'sh')), link.uid, link.gid, link.mtime]).toEqual(['/bin/su', 5, 6, time]);
    expect((await lstat(join(folder, 'implied/by'))).mode & 0o7777).toBe(0o755);
    expect(await readFile(join(folder, 'etc/größe'), 'utf8')).toBe('utf8');
    expect(await readFile(join(folder, `long/${'n'.repeat(120)}/${'m'.repeat(120)}`), 'utf8')).toBe('pax');
    expect((await lstat(join(folder, 'pipe'))).isFIFO()).toBe(true);
    const device = await lstat(join(folder, 'null'));
    expect([device.isCharacterDevice(), device.rdev, device.mode & 0o7777]).toEqual([true, (1 << 8) | 3, 0o666]);
  });

  it('as GNU tar and the kernel see it: capabilities and large ids from PAX records', async () => {
    // cap_net_raw=ep, little endian: revision 2 with the effective bit.
    const value = Buffer.from('0100000200200000000000000000000000000000', 'hex').toString('latin1');
    const folder = await unpackEntries([
      {
        name: 'ping',
        pax: { 'SCHILY.xattr.security.capability': value, uid: '3000000', mtime: '1700000000.5' },
        content: 'x',
      },
    ]);
    const ping = await lstat(join(folder, 'ping'));
    expect([ping.uid, ping.mtimeMs]).toEqual([3_000_000, 1_700_000_000_500]);
    expect(xattrOf(join(folder, 'ping'), 'security.capability')).toBe('0100000200200000000000000000000000000000');
  });

  it('with whiteouts and opaque folders as overlayfs has them', async () => {
    const folder = await unpackEntries([
      { name: 'etc/.wh.gone', content: '' },
      { name: 'opaque/', type: 'directory' },
      { name: 'opaque/.wh..wh..opq' },
      { name: 'opaque/kept', content: 'kept' },
      { name: '.wh.replaced' },
      { name: 'replaced/new', content: 'new' },
      { name: 'both', content: 'stays' },
      { name: '.wh.both' },
      { name: '.wh..wh.plnk/1.2' },
    ]);
    const gone = await lstat(join(folder, 'etc/gone'));
    expect([gone.isCharacterDevice(), gone.rdev]).toEqual([true, 0]);
    expect(xattrOf(join(folder, 'opaque'), 'trusted.overlay.opaque')).toBe(Buffer.from('y').toString('hex'));
    expect(xattrOf(join(folder, 'replaced'), 'trusted.overlay.opaque')).toBe(Buffer.from('y').toString('hex'));
    expect(await readFile(join(folder, 'both'), 'utf8')).toBe('stays');
  });

  it('so that overlayfs really hides what the layer hides', async () => {
    const lower = await unpackEntries([
      { name: 'etc/gone', content: 'a' },
      { name: 'etc/stays', content: 'b' },
      { name: 'replaced/old', content: 'c' },
    ]);
    const upper = await unpackEntries([
      { name: 'etc/.wh.gone' },
      { name: '.wh.replaced' },
      { name: 'replaced/new', content: 'd' },
    ]);
    const script = 'mount -t overlay overlay -o "lowerdir=$1:$2" "$3" && cd "$3" && find . -type f | sort';
    const target = await temporaryFolder();
    const out = execFileSync('unshare', ['-m', 'sh', '-c', script, 'sh', upper, lower, target]).toString();
    expect(out.trim().split('\n')).toEqual(['./etc/stays', './replaced/new']);
  });

  it('where a later entry replaces an earlier one of the same name', async () => {
    const folder = await unpackEntries([
      { name: 'a/b/c', content: 'old' },
      { name: 'a', type: 'symlink', linkname: '/nowhere' },
      { name: 'f', content: 'first' },
      { name: 'g', type: 'link', linkname: 'f' },
      { name: 'f', content: 'second' },
    ]);
    expect(await namesIn(folder)).toEqual(['a', 'f', 'g']);
    expect(await readFile(join(folder, 'g'), 'utf8')).toBe('first');
  });
});

describe('a layer is refused', () => {
  it.each([
    ['an absolute name', [{ name: '/etc/passwd' }], /absolute/],
    ['a name that leads out', [{ name: 'a/../../x' }], /"\.\."/],
    ['a whiteout that leads out', [{ name: 'a/.wh...' }], /names nothing/],
    ['a name with a NUL', [{ name: 'x', pax: { path: 'a\0b' } }], /NUL/],
    ['a link as a folder', [{ name: 'a', type: 'symlink', linkname: '/' }, { name: 'a/b' }], /below "a"/],
    [
      'a link as a folder, two deep',
      [{ name: 'a/l', type: 'symlink', linkname: '..' }, { name: 'a/l/b/c' }],
      /below "a\/l"/,
    ],
    [
      'a whiteout through a link',
      [{ name: 'a', type: 'symlink', linkname: '/etc' }, { name: 'a/.wh.passwd' }],
      /below "a"/,
    ],
    [
      'an opaque mark through a link',
      [{ name: 'a', type: 'symlink', linkname: '/etc' }, { name: 'a/.wh..wh..opq' }],
      /below/,
    ],
    ['a file as a folder', [{ name: 'a', content: 'x' }, { name: 'a/b' }], /below "a"/],
    ['a hard link out of it', [{ name: 'a', type: 'link', linkname: '../../etc/passwd' }], /"\.\."/],
    ['an absolute hard link', [{ name: 'a', type: 'link', linkname: '/etc/passwd' }], /absolute/],
    [
      'a hard link through a link',
      [
        { name: 'l', type: 'symlink', linkname: '/etc' },
        { name: 'a', type: 'link', linkname: 'l/passwd' },
      ],
      /not a file before it/,
    ],
    ['a hard link to nothing', [{ name: 'a', type: 'link', linkname: 'b' }], /ENOENT/],
    [
      'a hard link to itself',
      [
        { name: 'a', content: '1' },
        { name: 'a', type: 'link', linkname: 'a' },
      ],
      /not a file before/,
    ],
    ['a root that is no folder', [{ name: './', type: 'symlink', linkname: '/etc' }], /root is not a folder/],
    ['a sparse file', [{ name: 'a', pax: { 'GNU.sparse.major': '1' } }], /sparse/],
    ['a name longer than a file system takes', [{ name: 'n'.repeat(300) }], /ENAMETOOLONG/],
    ['a device that cannot be', [{ name: 'd', type: 'block-device', devmajor: 99_999, devminor: 0 }], /99999:0/],
  ] satisfies [string, TarEntry[], RegExp][])('with %s', async (_what, entries, message) => {
    await expect(unpackEntries(entries)).rejects.toThrow(message);
    await expect(unpackEntries(entries)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it.each(['none', 'gzip', 'zstd'] as const)(
    'with a reason, also when much comes behind that (%s)',
    async (packing) => {
      const tar = await tarOf([{ name: '../out', content: '0'.repeat(2_000_000) }]);
      await expect(unpack(tar, packing)).rejects.toMatchObject({
        kind: 'invalid',
        message: expect.stringMatching(/"\.\."/),
      });
    },
  );

  it('when it is larger than the room there is, however small its blob', async () => {
    const tar = await tarOf([{ name: 'zeros', content: '\0'.repeat(5_000_000) }]);
    await expect(unpack(tar, 'gzip', 1_000_000)).rejects.toMatchObject({ kind: 'full' });
  });

  it('when a digest differs, naming which', async () => {
    const { blob, digest, diffId } = layerOf(await tarOf([{ name: 'a', content: 'x' }]), 'none');
    const folder = await temporaryFolder();
    const base = {
      source: pieces(blob),
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      folder,
      maxBytes: 1e6,
    } as const;
    const other = digestOf('other');
    await expect(receiveLayer({ ...base, digest: other, diffId })).rejects.toThrow(/blob has the digest .* instead of/);
    const again = { ...base, source: pieces(blob), folder: await temporaryFolder() };
    await expect(receiveLayer({ ...again, digest, diffId: other })).rejects.toThrow(/tar has the digest .* instead of/);
  });

  it.each(['none', 'gzip', 'zstd'] as const)('when its %s blob was cut or damaged anywhere', async (compression) => {
    const tar = await tarOf([
      { name: 'a', content: 'x'.repeat(3000) },
      { name: 'b/', type: 'directory' },
      { name: 'b/c', content: 'y'.repeat(600) },
    ]);
    const { blob, digest, diffId, mediaType } = layerOf(tar, compression);
    if (!isLayerMediaType(mediaType)) throw new Error(mediaType);
    const change = fc.oneof(
      fc.record({ cut: fc.integer({ min: 0, max: blob.length - 1 }) }),
      fc.record({ at: fc.integer({ min: 0, max: blob.length - 1 }), bit: fc.integer({ min: 0, max: 7 }) }),
    );
    await fc.assert(
      fc.asyncProperty(change, async (damage) => {
        const bytes = Buffer.from('cut' in damage ? blob.subarray(0, damage.cut) : blob);
        if ('at' in damage) bytes[damage.at] = (bytes[damage.at] ?? 0) ^ (1 << damage.bit);
        const folder = await temporaryFolder();
        const received = receiveLayer({ source: pieces(bytes), mediaType, digest, diffId, folder, maxBytes: 1e6 });
        await expect(received).rejects.toMatchObject({
          name: 'StoreError',
          kind: expect.stringMatching(/invalid|full/),
        });
      }),
      { numRuns: 60 },
    );
  });
});

describe('whatever a hostile layer says', () => {
  const part = fc.constantFrom('a', 'b', 'c', '..', '.', '', '.wh.a', '.wh.b', '.wh..wh..opq', 'outside');
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/') || 'a');
  const target = fc.oneof(name, fc.constantFrom('/', '../outside', '../../outside', 'a/../../outside/victim'));
  const entry: fc.Arbitrary<TarEntry> = fc.oneof(
    fc.record({ name, content: fc.constant('overwritten') }),
    fc.record({ name, type: fc.constant('directory' as const), mode: fc.constant(0o777) }),
    fc.record({ name, type: fc.constantFrom('symlink' as const, 'link' as const), linkname: target }),
    fc.record({ name, type: fc.constant('fifo' as const) }),
  );

  it('nothing outside its folder changes', async () => {
    const outer = await temporaryFolder();
    const outside = join(outer, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'victim'), 'intact', { mode: 0o600 });
    const before = await lstat(outside);
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 8 }), async (entries) => {
        const folder = join(outer, `layer-${runs++}`);
        await mkdir(folder);
        const { blob, digest, diffId } = layerOf(await tarOf(entries), 'none');
        const mediaType = 'application/vnd.oci.image.layer.v1.tar';
        await receiveLayer({ source: pieces(blob), mediaType, digest, diffId, folder, maxBytes: 1e6 }).catch(
          (error) => {
            if (error.kind !== 'invalid') throw error;
          },
        );
        const victim = await lstat(join(outside, 'victim'));
        expect([await readdir(outside), await readFile(join(outside, 'victim'), 'utf8'), victim.nlink]).toEqual([
          ['victim'],
          'intact',
          1,
        ]);
        expect([(await lstat(outside)).mtimeMs, (await lstat(outside)).mode]).toEqual([before.mtimeMs, before.mode]);
        expect((await readdir(outer)).filter((found) => !found.startsWith('layer-'))).toEqual(['outside']);
      }),
      { numRuns: 150 },
    );
  });

  it('arbitrary bytes never hang or crash the unpacker', async () => {
    const header = tarOf([
      { name: 'a', content: 'x'.repeat(100) },
      { name: 'b', pax: { k: 'v' } },
    ]);
    const valid = await header;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 600 }),
            fc.nat(valid.length - 1).map((at) => valid.subarray(at, at + 512)),
          ),
        ),
        async (parts) => {
          const bytes = Buffer.concat(parts);
          const received = unpack(bytes).catch((error) => error.kind);
          expect(['invalid', 'string']).toContain((await received).startsWith('/') ? 'string' : await received);
        },
      ),
      { numRuns: 100 },
    );
  });
});
