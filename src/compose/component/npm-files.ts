import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { execa } from 'execa';
import { cacheDir, writeFileAtomic } from '../cache.ts';
import { ComposeError } from '../errors.ts';
import type { Entry } from '../oci/entry.ts';
import { readTar } from '../oci/tar.ts';
import type { OnProgress } from '../progress.ts';
import type { LockedNpm } from './lock.ts';

/** Files of an npm package by their path in it (`bin/node`), downloaded by npm and checked against the integrity. */
export async function npmFiles(locked: LockedNpm, onProgress?: OnProgress): Promise<Map<string, Entry>> {
  const tarball = gunzipSync(await fetchTarball(locked, onProgress));
  const files = new Map<string, Entry>();
  for await (const entry of readTar(Readable.from([tarball]))) {
    files.set(entry.path.replace(/^[^/]+\//, ''), entry);
  }
  return files;
}

async function fetchTarball(locked: LockedNpm, onProgress?: OnProgress): Promise<Buffer> {
  const spec = `${locked.name}@${locked.version}`;
  const path = cacheDir('npm', `${createHash('sha256').update(locked.integrity).digest('hex')}.tgz`);
  if (existsSync(path)) return readFile(path);
  onProgress?.({ step: 'download', detail: spec });
  const dir = await mkdtemp(join(tmpdir(), 'gantry-npm-'));
  try {
    const result = await execa(
      'npm',
      ['pack', spec, '--pack-destination', dir, '--ignore-scripts', '--loglevel=error'],
      {
        reject: false,
      },
    );
    const [name] = await readdir(dir);
    if (result.exitCode !== 0 || name === undefined)
      throw new ComposeError(`npm could not get ${spec}: ${result.stderr}`);
    const data = await readFile(join(dir, name));
    const actual = `sha512-${createHash('sha512').update(data).digest('base64')}`;
    if (actual !== locked.integrity) {
      throw new ComposeError(`${spec}: its integrity is ${actual}, the lock file says ${locked.integrity}`);
    }
    await writeFileAtomic(path, data);
    return data;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
