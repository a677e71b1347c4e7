import { type KernelTimes, steadyLines, storms } from '../../line/kernel.ts';
import type { Faults } from '../../line/line.ts';

/** One kind of line, the same for every rival. */
export interface Scenario {
  name: string;
  direction: 'upload' | 'download';
  baud: number;
  /** In both directions. */
  faults: Faults;
  kernel?: (seed: number) => KernelTimes;
  receiveFifo?: number;
  /** A key every 300 ms meanwhile. */
  keys: boolean;
}

/** Bytes of a transfer: random, so that compression gains nothing. */
export const TRANSFER = 256 * 1024;
export const KEY_EVERY_MS = 300;
export const BITS_PER_BYTE = 10;

type Kind = Pick<Scenario, 'name' | 'faults' | 'kernel' | 'receiveFifo'>;
const kinds: Kind[] = [
  { name: 'clean', faults: {} },
  { name: 'flips 1e-5', faults: { flip: 1e-5 } },
  { name: 'flips 1e-4', faults: { flip: 1e-4 } },
  { name: 'flips 1e-3', faults: { flip: 1e-3 } },
  { name: 'drops 1e-4', faults: { drop: 1e-4 } },
  { name: '0.5 kernel lines a second', faults: {}, kernel: (seed) => steadyLines(0.5, seed) },
  { name: '2 kernel lines a second', faults: {}, kernel: (seed) => steadyLines(2, seed) },
  { name: '2 lines a second, receive loss', faults: {}, kernel: (seed) => steadyLines(2, seed), receiveFifo: 16 },
  { name: '40 lines every 5 s, receive loss', faults: {}, kernel: () => storms(40, 5000), receiveFifo: 16 },
  { name: 'USB adapter, 16 ms', faults: { coalesceMs: 16 } },
];

/** All that are measured: at 115,200 baud each kind in both directions, alone and with keys; faster the clean line. */
export const scenarios: Scenario[] = [
  ...kinds.flatMap((kind) =>
    (['upload', 'download'] as const).flatMap((direction) =>
      [false, true].map((keys) => ({ ...kind, direction, keys, baud: 115_200 })),
    ),
  ),
  ...[false, true].map((keys) => ({
    name: 'clean',
    faults: {},
    direction: 'upload' as const,
    keys,
    baud: 921_600,
  })),
];
