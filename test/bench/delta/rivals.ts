import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../../src/emulator/programs.ts';
import { messageOf } from '../../../src/shared/message-of.ts';
import type { Pair } from './sets.ts';
import { type Taken, timed } from './timed.ts';

/** Another way to bring a layer to a device. */
export interface Rival {
  name: string;
  program: string;
  debianPackage: string;
  /** Makes what travels in `folder`, and says how large it is. */
  make(pair: Pair, folder: string): Promise<{ bytes: number; taken: Taken }>;
  /** Makes the layer's tar from it, at `out`. */
  apply(pair: Pair, folder: string, out: string): Promise<Taken>;
}

const zstdLayer: Rival = {
  ...{ name: 'layer, zstd -19', program: 'zstd', debianPackage: 'zstd' },
  async make({ fresh }, folder) {
    const made = join(folder, 'layer.zst');
    const taken = await timed('zstd', ['-q', '-f', '-19', '-T1', fresh, '-o', made]);
    return { bytes: statSync(made).size, taken };
  },
  apply: (_, folder, out) => timed('zstd', ['-q', '-f', '-d', join(folder, 'layer.zst'), '-o', out]),
};

const zstdPatch: Rival = {
  ...{ name: 'zstd --patch-from -19 --long=31', program: 'zstd', debianPackage: 'zstd' },
  async make({ old, fresh }, folder) {
    const made = join(folder, 'patch.zst');
    const taken = await timed('zstd', ['-q', '-f', '-19', '-T1', '--long=31', '--patch-from', old, fresh, '-o', made]);
    return { bytes: statSync(made).size, taken };
  },
  apply: ({ old }, folder, out) =>
    timed('zstd', ['-q', '-f', '-d', '--long=31', '--patch-from', old, join(folder, 'patch.zst'), '-o', out]),
};

const bsdiff: Rival = {
  ...{ name: 'bsdiff', program: 'bsdiff', debianPackage: 'bsdiff' },
  async make({ old, fresh }, folder) {
    const made = join(folder, 'patch.bsdiff');
    const taken = await timed('bsdiff', [old, fresh, made]);
    return { bytes: statSync(made).size, taken };
  },
  apply: ({ old }, folder, out) => timed('bspatch', [old, out, join(folder, 'patch.bsdiff')]),
};

/** What travels: the index, and the chunks that the old layer does not have. Chunks of 16 KB on average, its best on most of these sets. */
const casync: Rival = {
  ...{ name: 'casync, chunks of 16 KB', program: 'casync', debianPackage: 'casync' },
  async make({ old, fresh }, folder) {
    const index = join(folder, 'fresh.caibx');
    const make = (store: string, made: string, tar: string) =>
      timed('casync', ['make', `--store=${join(folder, store)}`, '--chunk-size=16384', made, tar]);
    await make('old.castr', join(folder, 'old.caibx'), old);
    const taken = await make('fresh.castr', index, fresh);
    const has = new Set(chunks(join(folder, 'old.castr')).keys());
    const missing = [...chunks(join(folder, 'fresh.castr'))].filter(([name]) => !has.has(name));
    return { bytes: statSync(index).size + missing.reduce((sum, [, size]) => sum + size, 0), taken };
  },
  apply: ({ old }, folder, out) =>
    timed('casync', [
      'extract',
      `--store=${join(folder, 'fresh.castr')}`,
      `--seed=${old}`,
      join(folder, 'fresh.caibx'),
      out,
    ]),
};

/** Names and sizes of the chunks in a store. */
function chunks(store: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const folder of readdirSync(store)) {
    for (const name of readdirSync(join(store, folder))) found.set(name, statSync(join(store, folder, name)).size);
  }
  return found;
}

export const rivals: readonly Rival[] = [zstdLayer, casync, zstdPatch, bsdiff];

/** What is missing for it, in words; undefined when it can run. */
export function whyNot(rival: Rival): string | undefined {
  try {
    findProgram(rival.program, rival.debianPackage);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** An empty folder of its own. */
export function emptyFolder(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
