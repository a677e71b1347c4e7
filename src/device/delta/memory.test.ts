import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { compressRecipe } from '../../shared/delta/recipe-codec.ts';
import { tarOfEntries } from '../../shared/delta/tar.testing.ts';
import { layerOf, make, noise } from './delta.testing.ts';

const program = join(dirname(fileURLToPath(import.meta.url)), '../../../test/bench/delta/apply-process.ts');
const MIB = 1024 * 1024;

/** The most memory that a process had in use which applied this, less that of one which applied nothing. */
async function extraMemory(args: string[]): Promise<{ extra: number; digest: string }> {
  const run = async (...more: string[]) => {
    const options = { env: { ...process.env, NODE_OPTIONS: '' } };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--max-semi-space-size=1', program, ...more],
      options,
    );
    return JSON.parse(stdout) as { peak: number; digest: string };
  };
  const [bare, applied] = [await run(), await run(...args)];
  return { extra: applied.peak - bare.peak, digest: applied.digest };
}

test('however large the content, applying takes the same little memory', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-delta-'));
  try {
    const large = (seed: number, letter: string) => {
      const block = noise(MIB, 1);
      const content = Buffer.concat(Array.from({ length: 64 }, () => block));
      for (let at = seed; at + 4 < content.length; at += 1009) content.writeInt32LE(seed * at, at);
      return { name: Buffer.from(letter), letter: '0', body: content };
    };
    const old = layerOf(tarOfEntries([large(1, 'a')]));
    const fresh = layerOf(tarOfEntries([large(2, 'a')]));
    const { parts } = await make(fresh, [old], { effort: 'fast' });
    const paths = ['old.tar', 'old.recipe', 'delta'].map((name) => join(folder, name));
    const contents = [old.tar, await compressRecipe(old.encoded), Buffer.concat(parts)];
    for (const [i, path] of paths.entries()) writeFileSync(path, contents[i] ?? '');
    const { extra, digest } = await extraMemory(paths);
    expect(digest).toBe(createHash('sha256').update(fresh.tar).digest('hex'));
    expect(extra).toBeLessThan(64 * MIB);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 180_000);
