import { Duplex } from 'node:stream';
import type { Clock } from '../../src/shared/link/clock.ts';
import { Direction, type Faults, type PrintedLine } from './direction.ts';
import { type KernelTimes, kernelLine } from './kernel.ts';
import { seededRandom } from './random.ts';

export type { Faults } from './direction.ts';

/** Faults may depend on the speed at which bytes are sent. */
export type FaultsAt = Faults | ((baud: number | undefined) => Faults);

export interface LineOptions {
  clock: Clock;
  seed: number;
  /** Undefined: as fast as the ends write, like an emulator's socket. */
  bytesPerSecond?: number;
  toHost?: FaultsAt;
  toDevice?: FaultsAt;
  /** Both ends can change their speed, and have this one at first: `bytesPerSecond` follows from it. */
  baud?: number;
  /** Decides for each write whether it leaves the end and reaches nobody. */
  lose?(to: 'host' | 'device', bytes: Buffer): boolean;
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
  /** Of each end, in bits per second. */
  readonly bauds: { host: number; device: number } | undefined;
  /** What that end wrote leaves at its former speed. Who listens at another speed than the other end sends gets junk. */
  setBaud(end: 'host' | 'device', baud: number): Promise<void>;
  /** Both ends run at this rate from now on; undefined as in `LineOptions`. */
  setRate(bytesPerSecond: number | undefined): void;
  /** Bytes arrive as if something else had written them on the line. */
  inject(to: 'host' | 'device', bytes: Buffer): void;
  /** Bytes that entered the line in both directions, kernel lines among them. */
  readonly bytes: number;
}

/** A serial line between two ends, exact in its rate and, for one seed, in its faults. */
export function createLine(options: LineOptions): Line {
  const { clock, seed, receiveFifo, queueBytes = 4096, baud, lose = () => false } = options;
  const state = { isCut: false, rate: options.bytesPerSecond };
  const bauds = baud === undefined ? undefined : { host: baud, device: baud };
  const shared = { clock, queueBytes, isCut: () => state.isCut };
  const between = (sender: 'host' | 'device', receiver: 'host' | 'device') => ({
    rate: () => (bauds ? bauds[sender] / 10 : state.rate),
    speeds: () => bauds && { sender: bauds[sender], receiver: bauds[receiver] },
  });
  const toHost: Direction = new Direction({
    ...shared,
    ...between('device', 'host'),
    faults: faultsAt(options.toHost),
    random: seededRandom(seed),
    deliver: (bytes) => push(host, bytes),
    survives: () => true,
  });
  const toDevice = new Direction({
    ...shared,
    ...between('host', 'device'),
    faults: faultsAt(options.toDevice),
    random: seededRandom(seed + 1),
    deliver: (bytes) => push(device, bytes),
    survives: (at) => receiveFifo === undefined || toHost.room(at, receiveFifo),
  });
  const host = makeEnd(toDevice, (bytes) => lose('device', bytes));
  const device = makeEnd(toHost, (bytes) => lose('host', bytes));
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
    bauds,
    async setBaud(end, to) {
      await (end === 'host' ? toDevice : toHost).drained();
      if (bauds) bauds[end] = to;
    },
    setRate(bytesPerSecond) {
      state.rate = bytesPerSecond;
    },
    inject: (to, bytes) => push(to === 'host' ? host : device, bytes),
  };
}

function makeEnd(sends: Direction, isLost: (bytes: Buffer) => boolean): Duplex {
  return new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, callback) => {
      if (isLost(chunk)) callback();
      else sends.write(chunk, callback);
    },
  });
}

function faultsAt(faults: FaultsAt = {}): (baud: number | undefined) => Faults {
  return typeof faults === 'function' ? faults : () => faults;
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
