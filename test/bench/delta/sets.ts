import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../e2e/support/paths.ts';
import { debianPair } from './debian-pair.ts';
import { bundlePair, packagesPair } from './javascript-pairs.ts';
import { nodePair } from './node-pair.ts';

/** Two versions of a layer, as tars. */
export interface Pair {
  name: string;
  /** What it is, for people. */
  words: string;
  old: string;
  fresh: string;
}

interface Set {
  name: string;
  /** Bytes that the difference should not exceed. */
  aim?: number;
  make(name: string, folder: string): Promise<Pair>;
}

const [openssl, curl] = [
  { old: '3.0.20-1~deb12u2', fresh: '3.0.22-1~deb12u2' },
  { old: '7.88.1-10+deb12u5', fresh: '7.88.1-10+deb12u15' },
];
const python = { old: '3.11.2-6+deb12u8', fresh: '3.11.2-6+deb12u9' };

export const sets: readonly Set[] = [
  { name: 'bundle', aim: 1024, make: (name, folder) => bundlePair(name, folder, false) },
  { name: 'minified', make: (name, folder) => bundlePair(name, folder, true) },
  { name: 'packages', aim: 1024, make: packagesPair },
  {
    name: 'nginx',
    aim: 345_000,
    make: (name, folder) =>
      debianPair(
        name,
        [
          { package: 'nginx', old: '1.22.1-9+deb12u9', fresh: '1.22.1-9+deb12u11' },
          { package: 'libssl3', ...openssl },
          { package: 'openssl', ...openssl },
          { package: 'curl', ...curl },
          { package: 'libcurl4', ...curl },
        ],
        folder,
      ),
  },
  {
    name: 'python',
    make: (name, folder) =>
      debianPair(
        name,
        ['python3.11-minimal', 'libpython3.11-minimal', 'libpython3.11-stdlib'].map((one) => ({
          package: one,
          ...python,
        })),
        folder,
      ),
  },
  { name: 'node', aim: 3_100_000, make: (name, folder) => nodePair(name, '24.20.0', '24.21.0', folder) },
];

/** Where the sets are kept from run to run, as far as they come from elsewhere. */
export async function makeSet({ name, make }: Set): Promise<Pair> {
  const folder = join(root, 'build/bench/delta', name);
  mkdirSync(folder, { recursive: true });
  return make(name, folder);
}
