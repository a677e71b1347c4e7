import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import { collectingDevice, largeLayer } from './collector.testing.ts';
import { imageOf, layerOf, pieces, tarOf, temporaryFolder } from './test-support.ts';
import { Uploads } from './uploads.ts';

const blob = randomBytes(300_000);
const digest = digestOf(blob);
const nobody = () => undefined;
const piece = (offset: number, length = blob.length) => ({ offset, length, displace: nobody });

/** Brings `count` bytes and then breaks off. */
async function* broken(from: number, count: number) {
  yield* pieces(blob.subarray(from, from + count), 7000);
  throw new Error('the connection broke');
}

/** Brings some bytes and then hangs until it is displaced. */
function hanging(bytes: Buffer) {
  const { promise: displaced, reject: end } = Promise.withResolvers<never>();
  displaced.catch(nobody);
  const source = async function* () {
    yield bytes;
    await displaced;
  };
  return { source: source(), displace: () => end(new Error('displaced')) };
}

describe('an upload', () => {
  it('keeps what came before each break, and is the blob at the end; also for the next process', async () => {
    const folder = await temporaryFolder();
    let uploads = await Uploads.open(folder);
    for (let at = 0; at < blob.length - 61_000; ) {
      await expect(uploads.append(digest, piece(at), broken(at, 61_000))).rejects.toThrow('the connection broke');
      uploads = await Uploads.open(folder);
      const offset = await uploads.offset(digest);
      expect(offset).toBe(at + 61_000);
      at = offset;
    }
    const from = await uploads.offset(digest);
    expect(await uploads.append(digest, piece(from), pieces(blob.subarray(from)))).toBe(blob.length);
    expect((await readFile(uploads.file(digest))).equals(blob)).toBe(true);
  });

  it('goes on from what is there, from less, and not from more', async () => {
    const uploads = await Uploads.open(await temporaryFolder());
    expect(await uploads.offset(digest)).toBe(0);
    await uploads.append(digest, piece(0), pieces(blob.subarray(0, 100_000)));
    await uploads.append(digest, piece(70_000), pieces(blob.subarray(70_000, 90_000)));
    expect(await uploads.offset(digest)).toBe(100_000);
    await expect(uploads.append(digest, piece(100_001), pieces(blob))).rejects.toMatchObject({
      kind: 'refused',
      message: `100000 bytes of ${digest} are here: it cannot go on at 100001`,
    });
    await uploads.append(digest, piece(90_000), pieces(blob.subarray(90_000)));
    expect((await readFile(uploads.file(digest))).equals(blob)).toBe(true);
  });

  it('takes no more than the blob has', async () => {
    const uploads = await Uploads.open(await temporaryFolder());
    await expect(uploads.append(digest, piece(0, 1000), pieces(blob, 900))).rejects.toMatchObject({ kind: 'invalid' });
    expect(await uploads.offset(digest)).toBe(900);
  });

  it('belongs to who came last: a connection that hangs holds nobody up', async () => {
    const uploads = await Uploads.open(await temporaryFolder());
    const { source, displace } = hanging(blob.subarray(0, 50_000));
    const first = uploads.append(digest, { offset: 0, length: blob.length, displace }, source);
    first.catch(nobody);
    while ((await uploads.offset(digest)) < 50_000) await new Promise((resolve) => setImmediate(resolve));
    expect(await uploads.append(digest, piece(50_000), pieces(blob.subarray(50_000)))).toBe(blob.length);
    await expect(first).rejects.toThrow('displaced');
    expect((await readFile(uploads.file(digest))).equals(blob)).toBe(true);
  });

  it('is one of eight; the oldest goes for a ninth, and stale ones at the next start', async () => {
    const folder = await temporaryFolder();
    const uploads = await Uploads.open(folder);
    const names = Array.from({ length: 9 }, (_, index) => digestOf(`${index}`));
    for (const [index, name] of names.entries()) {
      await uploads.append(name, piece(0), pieces(Buffer.from('x')));
      await utimes(join(folder, hexOf(name)), 1e9 + index, 1e9 + index);
    }
    expect((await readdir(folder)).sort()).toEqual(names.slice(1).map(hexOf).sort());
    await writeFile(join(folder, 'what'), '');
    await Uploads.open(folder, (1e9 + 4) * 1000 + 7 * 24 * 3_600_000);
    expect((await readdir(folder)).sort()).toEqual(names.slice(5).map(hexOf).sort());
  });

  it('is not collected once somebody goes on with it, and is not sent any more once it is removed', async () => {
    const folder = await temporaryFolder();
    const uploads = await Uploads.open(folder);
    await writeFile(join(folder, hexOf(digest)), blob.subarray(0, 50_000));
    expect(uploads.active()).toEqual([]);
    const { source, displace } = hanging(blob.subarray(50_000, 60_000));
    const sent = uploads.append(digest, { offset: 50_000, length: blob.length, displace }, source);
    sent.catch(nobody);
    await uploads.collect(hexOf(digest));
    expect(await readdir(folder)).toEqual([hexOf(digest)]);
    await uploads.remove(digest);
    await expect(sent).rejects.toThrow('displaced');
    expect(await readdir(folder)).toEqual([]);
    await writeFile(join(folder, hexOf(digestOf('other'))), 'x');
    await uploads.collect(hexOf(digestOf('other')));
    expect(await readdir(folder)).toEqual([]);
  });

  it('that nobody began is not remembered when it is asked for', async () => {
    const uploads = await Uploads.open(await temporaryFolder());
    expect(await uploads.offset(digest)).toBe(0);
    expect(uploads.active()).toEqual([]);
    await uploads.append(digest, piece(0), pieces(blob.subarray(0, 10)));
    expect(await uploads.offset(digest)).toBe(10);
    expect(uploads.active()).toEqual([hexOf(digest)]);
  });

  it('is a file: what else has such a name is removed at the start', async () => {
    const folder = await temporaryFolder();
    const elsewhere = join(await temporaryFolder(), 'file');
    await writeFile(elsewhere, 'kept');
    await symlink('/nowhere', join(folder, hexOf(digestOf('dangling'))));
    await symlink(elsewhere, join(folder, hexOf(digest)));
    await mkdir(join(folder, hexOf(digestOf('folder'))));
    await Uploads.open(folder);
    expect(await readdir(folder)).toEqual([]);
    expect(await readFile(elsewhere, 'utf8')).toBe('kept');
  });

  it('loses nothing that came when its process is killed', async () => {
    const folder = await temporaryFolder();
    const program = `
      import { Uploads } from ${JSON.stringify(join(import.meta.dirname, 'uploads.ts'))};
      const uploads = await Uploads.open(${JSON.stringify(folder)});
      const offset = await uploads.offset(${JSON.stringify(digest)});
      const displace = () => undefined;
      await uploads.append(${JSON.stringify(digest)}, { offset, length: ${blob.length}, displace }, process.stdin);
    `;
    for (const until of [1, 70_000, 150_000, 299_999]) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      const uploads = await Uploads.open(folder);
      const from = await uploads.offset(digest);
      child.stdin.write(blob.subarray(from, until));
      while ((await uploads.offset(digest)) < until) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(await uploads.offset(digest)).toBe(until);
    }
    const uploads = await Uploads.open(folder);
    await uploads.append(digest, piece(299_999), pieces(blob.subarray(299_999)));
    expect((await readFile(uploads.file(digest))).equals(blob)).toBe(true);
  });
});

const layer = await largeLayer(200_000);

describe('a layer that was uploaded', () => {
  it('is unpacked as one that was sent, and its upload is gone', async () => {
    const { collector, paths, layers, store } = await collectingDevice();
    const image = imageOf('web:1', [layer]);
    await collector.announce(image);
    await collector.receiveUpload(layer.digest, piece(0, layer.blob.length), pieces(layer.blob));
    await collector.putUploadedLayer(layer.diffId, layer.digest, layer.mediaType);
    expect((await layers()).has(hexOf(layer.diffId))).toBe(true);
    expect(await readdir(join(paths.data, 'uploads'))).toEqual([]);
    await expect(store.get(image.digest)).resolves.toMatchObject({ digest: image.digest });
  });

  it('is answered for again, when the answer was lost, also while it is still unpacked', async () => {
    const { collector, paths, layers } = await collectingDevice({ megabytes: 16 });
    // Twice beside each other there is no room for it.
    const large = layerOf(await tarOf([{ name: 'zeros', content: '\0'.repeat(9_000_000) }]), 'zstd');
    const other = layerOf(await tarOf([{ name: 'other', content: 'x' }]));
    await collector.announce(imageOf('web:1', [large, other]));
    await collector.receiveUpload(large.digest, piece(0, large.blob.length), pieces(large.blob));
    const use = () => collector.putUploadedLayer(large.diffId, large.digest, large.mediaType);
    await expect(Promise.all([use(), use()])).resolves.toBeDefined();
    await expect(use()).resolves.toBeUndefined();
    expect((await layers()).has(hexOf(large.diffId))).toBe(true);
    expect(await readdir(join(paths.data, 'uploads'))).toEqual([]);
    await expect(collector.putUploadedLayer(other.diffId, other.digest, other.mediaType)).rejects.toMatchObject({
      kind: 'unknown',
    });
  });

  it('makes way when the disk becomes full while it comes', async () => {
    const { collector, paths } = await collectingDevice({ megabytes: 8 });
    const rest = async function* () {
      yield blob.subarray(0, 100_000);
      spawnSync('dd', ['if=/dev/zero', `of=${join(paths.data, 'filler')}`, 'bs=64k', 'status=none']);
      yield blob.subarray(100_000);
    };
    await expect(collector.receiveUpload(digest, piece(0), rest())).rejects.toMatchObject({
      kind: 'full',
      message: expect.stringContaining('no room to keep'),
    });
    expect(await readdir(join(paths.data, 'uploads'))).toEqual([]);
  });

  it('is thrown away when it is not what its digest says', async () => {
    const { collector, paths, layers } = await collectingDevice();
    await collector.announce(imageOf('web:1', [layer]));
    const wrong = Buffer.from(layer.blob);
    wrong[20] = (wrong[20] ?? 0) ^ 1;
    await collector.receiveUpload(layer.digest, piece(0, wrong.length), pieces(wrong));
    await expect(collector.putUploadedLayer(layer.diffId, layer.digest, layer.mediaType)).rejects.toMatchObject({
      kind: 'invalid',
    });
    expect(await readdir(join(paths.data, 'uploads'))).toEqual([]);
    expect((await layers()).size).toBe(0);
  });

  it('is not begun where there is no room for it, and what others left goes for it first', async () => {
    const { collector, paths } = await collectingDevice({ megabytes: 12 });
    const left = join(paths.data, 'uploads', hexOf(digestOf('left')));
    execFileSync('dd', ['if=/dev/urandom', `of=${left}`, 'bs=1M', 'count=5', 'status=none']);
    const small = layerOf(await tarOf([{ name: 'a', content: 'x' }]));
    const length = 1_200_000;
    await collector.receiveUpload(small.digest, piece(0, length), pieces(Buffer.alloc(100)));
    expect(await readdir(join(paths.data, 'uploads'))).toEqual([hexOf(small.digest)]);
    await expect(collector.receiveUpload(digest, piece(0, 5_000_000), pieces(blob))).rejects.toMatchObject({
      kind: 'full',
    });
    // What becomes of it takes room that is there already.
    expect(await collector.receiveUpload(digest, piece(0, 5_000_000), pieces(blob), 0)).toBe(blob.length);
    expect((await readFile(join(paths.data, 'uploads', hexOf(small.digest)))).length).toBe(100);
  });
});
