import { setTimeout as delay } from 'node:timers/promises';
import type { SerialPort } from 'serialport';
import { messageOf } from '../../shared/message-of.ts';
import { TransportError } from '../transport.ts';

/** The lines beside the data: DTR and RTS are ours, the others the device's. */
export interface ModemLines {
  dtr: boolean;
  rts: boolean;
  cts: boolean;
  dsr: boolean;
  dcd: boolean;
}

/** What can be done to an open port besides reading and writing. Each rejects with a `TransportError`. */
export interface PortControls {
  /**
   * Bits per second, also rates that have no name (1,500,000, 250,000). What was written before leaves at the old rate, what
   * came before and was not read yet is lost.
   */
  setBaudRate(baud: number): Promise<void>;
  /** Holds the line low, which no byte does: SysRq on Linux consoles, an interrupt in some boot loaders. */
  sendBreak(): Promise<void>;
  setLine(line: 'dtr' | 'rts', on: boolean): Promise<void>;
  modemLines(): Promise<ModemLines>;
}

const DRAIN_MS = 300;
/** As tcsendbreak(3): between a quarter and half a second. */
const BREAK_MS = 300;

/** `path` is for the messages. Opening a port raises both of our lines. */
export function ttyControls(port: SerialPort, path: string): PortControls {
  const ours = { dtr: true, rts: true };
  const call = (what: string, start: (done: (error: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      start((error) => (error ? reject(refused(path, what, error)) : resolve()));
    });
  return {
    setBaudRate: async (baud) => {
      // Flow control may have stopped the line for good; changing the speed then loses what waits, which is sent again.
      await Promise.race([call('send what is waiting', (done) => port.drain(done)), delay(DRAIN_MS)]);
      await call(`run at ${baud} baud`, (done) => port.update({ baudRate: baud }, done));
    },
    sendBreak: async () => {
      await call('send a break', (done) => port.set({ ...ours, brk: true }, done));
      await delay(BREAK_MS);
      await call('end a break', (done) => port.set({ ...ours, brk: false }, done));
    },
    setLine: async (line, on) => {
      await call(`switch ${line.toUpperCase()}`, (done) => port.set({ ...ours, [line]: on }, done));
      ours[line] = on;
    },
    modemLines: () =>
      new Promise((resolve, reject) => {
        port.get((error, state) => {
          if (error || !state) reject(refused(path, 'tell its modem lines', error));
          else resolve({ ...ours, cts: state.cts, dsr: state.dsr, dcd: state.dcd });
        });
      }),
  };
}

/** An emulator's line: the emulator itself makes a break, and there are no modem lines. */
export function socketControls(path: string, sendBreak: (() => Promise<void>) | undefined): PortControls {
  const never = async (): Promise<never> => {
    throw new TransportError(`${path} is the socket of an emulator: it has neither a baud rate nor modem lines`, {
      retry: false,
    });
  };
  return {
    setBaudRate: never,
    setLine: never,
    modemLines: never,
    sendBreak:
      sendBreak ??
      (async () => {
        throw new TransportError(`a break cannot be sent to ${path}: it is no emulator of this machine's gantry run`, {
          retry: false,
        });
      }),
  };
}

function refused(path: string, what: string, error: unknown): TransportError {
  const reason = messageOf(error ?? 'it does not say why');
  // What a pseudo-terminal, and some adapters, say.
  const why = /inappropriate ioctl|ENOTTY|invalid argument|EINVAL/i.test(reason) ? 'it has no such thing' : reason;
  return new TransportError(`${path} cannot ${what}: ${why}`, { retry: false, cause: error });
}
