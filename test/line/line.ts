import { Duplex } from 'node:stream';
import type { Clock } from '../../src/shared/link/clock.ts';
import { Direction, type Faults, type PrintedLine } from './direction.ts';
import { type KernelTimes, kernelLine } from './kernel.ts';
import { seededRandom } from './random.ts';

export type { Faults } from './direction.ts';

export interface LineOptions {
  clock: Clock;
  seed: number;
  /** Undefined: as fast as the ends write, like an emulator's socket. */
  bytesPerSecond?: number;
  toHost?: Faults;
  toDevice?: Faults;
  /** When the device's kernel prints. Its lines are never mixed with others byte by byte, but may come at any byte. */
  kernel?: KernelTimes;
  /** Bytes that the device's UART keeps while the kernel prints; what arrives beyond is lost. Undefined: loses nothing. */
  receiveFifo?: number;
  /** Bytes that the system takes ahead of the line; a UART's tty 4096, a Linux pty about 22,000. */
  queueBytes?: number;
}

export interface Line {
  host: Duplex;
  device: Duplex;
  /** What the kernel printed so far, towards the host. */
  readonly printed: readonly PrintedLine[];
  /** From now on nothing arrives in either direction; the ends do not notice. */
  cut(): void;
  mend(): void;
  /** The device's kernel prints, now. */
  print(text: string): void;
  /** Both ends run at this rate from now on; undefined as in `LineOptions`. */
  setRate(bytesPerSecond: number | undefined): void;
  /** Bytes arrive as if something else had written them on the line. */
  inject(to: 'host' | 'device', bytes: Buffer): void;
  /** Bytes that entered the line in both directions, kernel lines among them. */
  readonly bytes: number;
}

/** A serial line between two ends, exact in its rate and, for one seed, in its faults. */
export function createLine(options: LineOptions): Line {
  const { clock, seed, receiveFifo, queueBytes = 4096 } = options;
  const state = { isCut: false, rate: options.bytesPerSecond };
  const shared = { clock, queueBytes, rate: () => state.rate, isCut: () => state.isCut };
  const toHost: Direction = new Direction({
    ...shared,
    faults: options.toHost ?? {},
    random: seededRandom(seed),
    deliver: (bytes) => push(host, bytes),
    survives: () => true,
  });
  const toDevice = new Direction({
    ...shared,
    faults: options.toDevice ?? {},
    random: seededRandom(seed + 1),
    deliver: (bytes) => push(device, bytes),
    survives: (at) => receiveFifo === undefined || toHost.room(at, receiveFifo),
  });
  const host = makeEnd(toDevice);
  const device = makeEnd(toHost);
  printAtTimes(clock, options.kernel, (text) => toHost.print(text));
  return {
    host,
    device,
    get printed() {
      return toHost.printed;
    },
    get bytes() {
      return toHost.bytes + toDevice.bytes;
    },
    cut() {
      state.isCut = true;
    },
    mend() {
      state.isCut = false;
    },
    print: (text) => toHost.print(text),
    setRate(bytesPerSecond) {
      state.rate = bytesPerSecond;
    },
    inject: (to, bytes) => push(to === 'host' ? host : device, bytes),
  };
}

function makeEnd(sends: Direction): Duplex {
  return new Duplex({ read() {}, write: (chunk: Buffer, _encoding, callback) => sends.write(chunk, callback) });
}

function push(end: Duplex, bytes: Buffer): void {
  if (!end.destroyed) end.push(bytes);
}

function printAtTimes(clock: Clock, times: KernelTimes | undefined, print: (text: string) => void): void {
  if (!times) return;
  const iterator = times[Symbol.iterator]();
  const began = clock.now();
  let number = 0;
  const next = (): void => {
    const { value, done } = iterator.next();
    if (done) return;
    clock.after(began + value - clock.now(), () => {
      print(kernelLine(value, number));
      number += 1;
      next();
    });
  };
  next();
}
