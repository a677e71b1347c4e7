import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, hexOf } from '../../shared/oci/digest.ts';
import { mediaTypes } from '../../shared/oci/types.ts';
import { makeImage, type TestImage, writeLayout } from './images.testing.ts';
import { openImageSource } from './index.ts';
import { parseReference } from './reference.ts';

let dir: string;
const options = { arch: 'amd64' as const };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-images-'));
  process.env.GANTRY_CACHE = join(dir, 'cache');
});
afterEach(() => {
  delete process.env.GANTRY_CACHE;
  rmSync(dir, { recursive: true, force: true });
});

/** Opens it, reads every layer, and compares all of it with the image it should be. */
async function expectImage(spec: string, image: TestImage, ref = image.ref): Promise<void> {
  const source = await openImageSource(spec, options);
  try {
    expect({ ref: source.ref, digest: source.digest }).toEqual({ ref, digest: image.manifest.digest });
    expect([source.manifestText, source.configText]).toEqual([image.manifestText, image.configText]);
    for (const { descriptor, data } of image.layers) {
      expect((await buffer(await source.openLayer(descriptor))).equals(data)).toBe(true);
    }
  } finally {
    await source.close();
  }
}

describe('OCI layouts', () => {
  const one = makeImage('web:1');
  const two = makeImage('web:2');

  it('are found by folder, with oci:, and by tag, whole or its end', async () => {
    const path = join(dir, 'a:b');
    writeLayout(path, [one, two]);
    await expectImage(`${path}:web:1`, one);
    await expectImage(`oci:${path}:web:2`, two);
    await expectImage(`${path}:2`, two);
    writeLayout(join(dir, 'single'), [one]);
    await expectImage(join(dir, 'single'), one);
  });

  it('with several images want a tag, and name the nearest for a wrong one', async () => {
    writeLayout(dir, [one, two]);
    await expect(openImageSource(dir, options)).rejects.toThrow(`say which, as in ${dir}:web:1 (web:1, web:2)`);
    await expect(openImageSource(`${dir}:web:3`, options)).rejects.toThrow(
      'has no image web:3. Did you mean web:1 or web:2?',
    );
  });

  it('give the image for the architecture of the device', async () => {
    const arm = makeImage('web:1', 'arm64');
    writeLayout(dir, [arm, one], ['arm64', 'amd64']);
    await expectImage(`${dir}:web:1`, one);
    writeLayout(dir, [arm]);
    await expect(openImageSource(dir, options)).rejects.toThrow('web:1 is for linux/arm64; this device is linux/amd64');
  });

  it('are refused when a document is not what its digest says, or is missing', async () => {
    writeLayout(dir, [one]);
    const config = join(dir, 'blobs', 'sha256', hexOf(digestOf(one.configText)));
    writeFileSync(config, one.configText.replace('linux', 'Linux'));
    await expect(openImageSource(dir, options)).rejects.toThrow(/stored as sha256:.* has the digest sha256:.*damaged/);
    rmSync(config);
    await expect(openImageSource(dir, options)).rejects.toThrow(/the blob sha256:.* is missing/);
  });
});

describe('tars', () => {
  const image = makeImage('web:1');

  it('of an OCI layout, gzipped or not', async () => {
    writeLayout(join(dir, 'oci'), [image]);
    execFileSync('tar', ['-cf', join(dir, 'a.tar'), '-C', join(dir, 'oci'), '.']);
    execFileSync('tar', ['-czf', join(dir, 'a.tgz'), '-C', join(dir, 'oci'), 'index.json', 'oci-layout', 'blobs']);
    await expectImage(join(dir, 'a.tar'), image);
    await expectImage(`${join(dir, 'a.tgz')}:web:1`, image);
  });

  it('of docker save before it wrote OCI layouts, with layers linked to each other', async () => {
    const saved = join(dir, 'saved');
    for (const name of ['l0', 'l1']) mkdirSync(join(saved, name), { recursive: true });
    const plain = Buffer.alloc(5000, 'same');
    const configText = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(plain), digestOf(plain)] },
    });
    writeFileSync(join(saved, 'c.json'), configText);
    writeFileSync(join(saved, 'l0', 'layer.tar'), plain);
    symlinkSync('../l0/layer.tar', join(saved, 'l1', 'layer.tar'));
    const manifest = [{ Config: 'c.json', RepoTags: ['web:9'], Layers: ['l0/layer.tar', 'l1/layer.tar'] }];
    writeFileSync(join(saved, 'manifest.json'), JSON.stringify(manifest));
    execFileSync('tar', ['-cf', join(dir, 'saved.tar'), '-C', saved, 'c.json', 'l0', 'l1', 'manifest.json']);
    const source = await openImageSource(join(dir, 'saved.tar'), options);
    expect(source.ref).toBe('web:9');
    expect(source.digest).toBe(digestOf(source.manifestText));
    expect(source.configText).toBe(configText);
    expect(source.manifest.layers.map(({ digest, size }) => [digest, size])).toEqual([
      [digestOf(plain), 5000],
      [digestOf(plain), 5000],
    ]);
    const [layer] = source.manifest.layers;
    if (!layer) throw new Error('no layer');
    expect((await buffer(await source.openLayer(layer))).equals(plain)).toBe(true);
  });

  it('that are none, or cut off, are named', async () => {
    const file = join(dir, 'x.tar');
    writeFileSync(file, 'x'.repeat(2000));
    await expect(openImageSource(file, options)).rejects.toThrow(/x\.tar/);
    writeLayout(join(dir, 'oci'), [image]);
    execFileSync('tar', ['-cf', file, '-C', join(dir, 'oci'), 'blobs']);
    await expect(openImageSource(file, options)).rejects.toThrow('neither a tar of an OCI layout');
  });
});

describe('names', () => {
  it('of components built here', async () => {
    const image = makeImage('web:2');
    writeLayout(join(dir, 'cache', 'oci'), [image]);
    await expectImage('web:2', image);
    await expect(openImageSource('wbe:2', options)).rejects.toThrow('Did you mean web:2?');
  });

  it('that are paths of nothing', async () => {
    await expect(openImageSource('./nothing', options)).rejects.toThrow('there is no OCI layout or tar ./nothing');
    await expect(openImageSource(dir, options)).rejects.toThrow('no OCI layout');
    await expect(openImageSource('docker://web:1', options)).rejects.toThrow('there is no default HOST');
  });

  it('of registries have a host', () => {
    const digest = digestOf('x');
    expect(parseReference('localhost:5000/a/b:1')).toEqual({ host: 'localhost:5000', name: 'a/b', tag: '1' });
    expect(parseReference('example.com/web')).toEqual({ host: 'example.com', name: 'web', tag: 'latest' });
    expect(parseReference(`board:80/web:1@${digest}`)).toEqual({ host: 'board:80', name: 'web', tag: '1', digest });
    for (const none of [
      'web:1',
      'team/web:1',
      'example.com/Web',
      'example.com/web:',
      'example.com/web@sha256:1',
      '/web',
    ]) {
      expect(parseReference(none)).toBeUndefined();
    }
  });
});

describe('registries', () => {
  const image = makeImage('web:1');
  const arm = makeImage('web:1', 'arm64');
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [
      { ...arm.manifest, platform: { os: 'linux', architecture: 'arm64' } },
      { ...image.manifest, platform: { os: 'linux', architecture: 'amd64' } },
      { ...image.manifest, digest: digestOf('attestation'), platform: { os: 'unknown', architecture: 'unknown' } },
    ],
  });
  let server: Server;
  let host: string;
  let manifestOf: Map<string, { type: string; text: string }>;

  /** The read half of the distribution protocol, with tokens and with blobs elsewhere. */
  function answer(request: IncomingMessage, response: ServerResponse): unknown {
    const url = new URL(request.url ?? '/', `http://${host}`);
    const send = (status: number, headers: Record<string, string>, body: string | Buffer = '') =>
      response.writeHead(status, headers).end(body);
    if (url.pathname === '/token') {
      const fits =
        url.searchParams.get('service') === 'test' && url.searchParams.get('scope') === 'repository:team/web:pull';
      return send(fits ? 200 : 400, {}, JSON.stringify({ token: 'abc' }));
    }
    if (url.pathname.startsWith('/elsewhere/')) {
      const data = image.blobs.get(`sha256:${url.pathname.slice('/elsewhere/'.length)}`);
      return data ? send(200, {}, data) : send(404, {});
    }
    if (request.headers.authorization !== 'Bearer abc') {
      const realm = `Bearer realm="http://${host}/token",service="test",scope="repository:team/web:pull"`;
      return send(401, { 'WWW-Authenticate': realm });
    }
    const [, kind, name = ''] = /^\/v2\/team\/web\/(manifests|blobs)\/(.+)$/.exec(url.pathname) ?? [];
    const manifest = manifestOf.get(name);
    if (kind === 'manifests' && manifest) return send(200, { 'Content-Type': manifest.type }, manifest.text);
    if (kind === 'blobs') return send(307, { Location: `/elsewhere/${name.slice('sha256:'.length)}` });
    return send(404, {}, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
  }

  beforeEach(async () => {
    manifestOf = new Map([
      ['1', { type: mediaTypes.index, text: index }],
      [image.manifest.digest, { type: mediaTypes.manifest, text: image.manifestText }],
    ]);
    server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    host = `localhost:${typeof address === 'object' ? address?.port : 0}`;
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  it('are pulled from with a token, through an index and redirects', async () => {
    await expectImage(`docker://${host}/team/web:1`, image, `${host}/team/web:1`);
    await expectImage(`${host}/team/web:1@${image.manifest.digest}`, image, `${host}/team/web:1`);
  });

  it('that do not have it, lie, or do not answer, are named', async () => {
    await expect(openImageSource(`${host}/team/web:7`, options)).rejects.toThrow(
      'web:7 cannot be pulled: there is no such image',
    );
    manifestOf.set(image.manifest.digest, { type: mediaTypes.manifest, text: image.manifestText.replace('2', '2 ') });
    await expect(openImageSource(`${host}/team/web@${image.manifest.digest}`, options)).rejects.toThrow(
      /the registry sent sha256/,
    );
    await expect(openImageSource('localhost:1/team/web:1', options)).rejects.toThrow(
      'the registry localhost:1 cannot be reached',
    );
  });
});
