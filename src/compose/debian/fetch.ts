import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { cacheDir, produceFile } from '../cache.ts';
import { ComposeError } from '../errors.ts';
import type { OnProgress } from '../progress.ts';
import type { AptRoot } from './apt-root.ts';
import type { LockedPackage } from './resolve.ts';

/** Path of the package's .deb in the cache, downloaded if need be and checked against its SHA-256. */
export async function fetchPackage(apt: AptRoot, locked: LockedPackage, onProgress?: OnProgress): Promise<string> {
  const path = cacheDir('debs', `${locked.sha256}.deb`);
  if (existsSync(path)) return path;
  onProgress?.({ step: 'download', detail: `${locked.name} ${locked.version}`, totalBytes: locked.size });
  const problems: string[] = [];
  for (const base of apt.baseUris()) {
    try {
      await produceFile(path, async (temporary) => {
        // apt's own downloader: it knows the host's proxies, certificates and mirror methods.
        const helper = ['-o', 'Acquire::Retries=2', 'download-file', `${base}/${locked.filename}`, temporary];
        const result = await execa('/usr/lib/apt/apt-helper', helper, { reject: false });
        if (result.exitCode !== 0) throw new Error(lastLine(result.stdout + result.stderr));
        const actual = await sha256File(temporary);
        if (actual !== locked.sha256) {
          throw new Error(`its SHA-256 is ${actual}, the lock file says ${locked.sha256}`);
        }
      });
      return path;
    } catch (error) {
      problems.push(`${base}: ${(error as Error).message}`);
    }
  }
  throw new GoneError(locked, problems);
}

/** A locked package that the archive no longer has (Debian keeps only the newest of a release). */
export class GoneError extends ComposeError {
  constructor(locked: LockedPackage, problems: string[]) {
    super(
      `cannot get ${locked.name} ${locked.version} that the lock file names:\n  ${problems.join('\n  ')}\n` +
        'If the archive has a newer one, write new lock files with: gantry component lock DIR',
    );
    this.name = 'GoneError';
  }
}

async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
