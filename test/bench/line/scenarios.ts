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
  /** What was aimed at, in words: for the report alone. */
  aim?: string;
  /** The same for the keys. */
  echoAim?: string;
}

/** Bytes of a transfer: random, so that compression gains nothing. */
export const TRANSFER = 256 * 1024;
export const KEY_EVERY_MS = 300;
export const BITS_PER_BYTE = 10;
export const SEEDS = [1, 2, 3];

/** Aims at 115,200 baud: of a transfer alone and of one beside which somebody types. */
interface Kind extends Pick<Scenario, 'name' | 'faults' | 'kernel' | 'receiveFifo'> {
  alone?: string;
  withKeys?: string;
}

const clean: Kind = { name: 'clean', faults: {}, alone: '≥ 0.98', withKeys: '≥ 0.95' };
const kinds: Kind[] = [
  clean,
  { name: 'flips 1e-5', faults: { flip: 1e-5 }, alone: '≥ 0.96' },
  { name: 'flips 1e-4', faults: { flip: 1e-4 }, alone: '≥ 0.915' },
  { name: 'flips 1e-3', faults: { flip: 1e-3 }, alone: '≥ 0.78' },
  { name: 'drops 1e-4', faults: { drop: 1e-4 }, alone: '≥ 0.91' },
  { name: '0.5 kernel lines a second', faults: {}, kernel: (seed) => steadyLines(0.5, seed) },
  { name: '2 kernel lines a second', faults: {}, kernel: (seed) => steadyLines(2, seed), alone: '≥ 0.945' },
  { name: '2 lines a second, receive loss', faults: {}, kernel: (seed) => steadyLines(2, seed), receiveFifo: 16 },
  { name: '40 lines every 5 s', faults: {}, kernel: () => storms(40, 5000), alone: '≥ 0.88' },
  { name: '40 lines every 5 s, receive loss', faults: {}, kernel: () => storms(40, 5000), receiveFifo: 16 },
  { name: 'USB adapter, 16 ms', faults: { coalesceMs: 16 }, alone: 'clean − 0.01' },
];

function scenario(kind: Kind, direction: Scenario['direction'], keys: boolean): Scenario {
  const { alone, withKeys, ...line } = kind;
  const aim = keys ? withKeys : alone;
  const isEchoAim = keys && kind === clean && direction === 'upload';
  return {
    ...line,
    ...{ direction, keys, baud: 115_200 },
    ...(aim !== undefined && { aim }),
    ...(isEchoAim && { echoAim: '≤ 45 / ≤ 70' }),
  };
}

/** All that are measured: at 115,200 baud each kind in both directions, alone and with keys; faster the clean line. */
export const scenarios: Scenario[] = [
  ...kinds.flatMap((kind) =>
    (['upload', 'download'] as const).flatMap((direction) =>
      [false, true].map((keys) => scenario(kind, direction, keys)),
    ),
  ),
  ...[false, true].map((keys) => ({
    ...{ name: 'clean', faults: {}, direction: 'upload' as const, keys, baud: 921_600 },
    ...(!keys && { aim: '≥ 0.97' }),
  })),
];

/**
 * What other programs are measured with: each kind once, alone, in the direction that it hurts. Kernel lines get among the
 * bytes of a download; what the receiver loses meanwhile, among those of an upload.
 */
export const peerScenarios: Scenario[] = kinds.map((kind) =>
  scenario(kind, kind.kernel && kind.receiveFifo === undefined ? 'download' : 'upload', false),
);
