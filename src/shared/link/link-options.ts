import type { Duplex } from 'node:stream';
import type { Clock } from './clock.ts';
import type { SpeedPort } from './line-speed.ts';

/** Lower goes first. A stream that sends a lot without a pause counts as `bulk`, whatever it was opened as. */
export const priorities = { console: 0, control: 1, api: 2, log: 3, bulk: 4 } as const;

export interface LinkOptions {
  role: 'host' | 'device';
  /** Of the line, for a host; undefined for one without a rate (an emulator's socket). The device is told by the host. */
  bytesPerSecond?: number;
  /** Of a device: changes at each boot. Letters, digits and hyphens. */
  bootId?: string;
  /**
   * Host: frames have no XON, XOFF, CR or NUL, for a line with software flow control or a translating adapter. Default
   * false: they cost about one per cent. The device does as its host asks.
   */
  careful?: boolean;
  /** Absent: the speed of this port cannot be changed, or should not be. */
  speed?: SpeedPort;
  /** Host: rates above the safe one to try once the link is up, in bits per second, the best first. Needs `speed`. */
  fastRates?: readonly number[];
  /** Without a valid frame for so many milliseconds the link is down. Default: 3000 on the device, 6000 on the host. */
  silenceMs?: number;
  clock?: Clock;
}

export interface LinkEvents {
  /** Console text from the other side: everything that is not a frame, in order. */
  text: [text: Buffer];
  up: [];
  /** Every stream was destroyed with an error. The line is a plain console again. */
  down: [reason: string];
  /** Host: a device began to listen. */
  announced: [];
  /** The other side opened a stream. Without a listener it is reset. */
  stream: [stream: Duplex, service: string];
  /** The port takes text again after `writeText` returned false. */
  drain: [];
  /** The port is gone; the link cannot be used any more. */
  closed: [reason: string];
}

export type LinkState = 'plain' | 'connecting' | 'up' | 'closed';
