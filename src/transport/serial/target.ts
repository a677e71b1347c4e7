import { z } from 'zod';
import { TransportError } from '../transport.ts';

export interface SerialTarget {
  /** Absolute path of a tty or of a unix socket. */
  path: string;
  baud: number;
  /** Who stops whom: nobody, the lines RTS and CTS, or the bytes XON and XOFF, which frames do not have then. */
  flow: 'none' | 'rtscts' | 'xonxoff';
  /** Bits per second to go up to while there is a link; undefined: it stays at `baud`. */
  fast?: number;
}

const defaultBaud = 115_200;
const rate = z.coerce.number().int().min(300).max(4_000_000);
const options = {
  baud: rate,
  fast: rate,
  flow: z.enum(['none', 'rtscts', 'xonxoff']),
} as const;

/** `serial:/dev/ttyUSB0?baud=115200`, `serial:/run/vm/serial.sock`. Throws a `TransportError` that shows the right form. */
export function parseSerialTarget(target: string): SerialTarget {
  const match = /^serial:([^?]+)(?:\?(.*))?$/.exec(target);
  const path = match?.[1] ?? '';
  if (!match || !path.startsWith('/')) {
    throw wrong(`${target} is not a serial port: write serial:/dev/ttyUSB0 or serial:/dev/ttyUSB0?baud=115200`);
  }
  const parsed: SerialTarget = { path, baud: defaultBaud, flow: 'none' };
  for (const [key, value] of new URLSearchParams(match[2] ?? '')) {
    if (key === 'baud') {
      const baud = options.baud.safeParse(value);
      if (!baud.success) throw wrong(`${target}: ${value} is not a baud rate; most devices use 115200`);
      parsed.baud = baud.data;
    } else if (key === 'fast') {
      const fast = options.fast.safeParse(value);
      if (!fast.success) throw wrong(`${target}: ${value} is not a baud rate; 921600 is the usual fast one`);
      parsed.fast = fast.data;
    } else if (key === 'flow') {
      const flow = options.flow.safeParse(value);
      if (!flow.success) throw wrong(`${target}: flow is rtscts, xonxoff or none, not ${value}`);
      parsed.flow = flow.data;
    } else {
      throw wrong(`${target}: ${key} is not an option of a serial port; there are baud, fast and flow`);
    }
  }
  if (parsed.fast !== undefined && parsed.fast <= parsed.baud)
    throw wrong(`${target}: fast=${parsed.fast} is not faster than the ${parsed.baud} baud that the line begins with`);
  // At a change each side hears junk for a moment, and one XOFF among it would stop the port for good.
  if (parsed.fast !== undefined && parsed.flow === 'xonxoff')
    throw wrong(`${target}: fast and flow=xonxoff do not go together; use RTS and CTS, or leave one of them out`);
  return parsed;
}

/** The text that names a serial line, as `-d` takes it: what differs from the usual is in it. */
export function serialTarget(target: Partial<SerialTarget> & { path: string }): string {
  const query = [
    ...(target.baud === undefined ? [] : [`baud=${target.baud}`]),
    ...(target.fast === undefined ? [] : [`fast=${target.fast}`]),
    ...(target.flow === undefined || target.flow === 'none' ? [] : [`flow=${target.flow}`]),
  ];
  return `serial:${target.path}${query.length > 0 ? `?${query.join('&')}` : ''}`;
}

/** Rates that most ports have. */
const usualFast = [3_000_000, 2_000_000, 1_500_000, 921_600, 460_800, 230_400];

/** What to try on this line, the best first: what is wished for, and what is next below it. */
export function fastRates({ baud, fast }: SerialTarget): number[] {
  return fast === undefined ? [] : [fast, ...usualFast.filter((rate) => rate < fast && rate > baud)];
}

function wrong(message: string): TransportError {
  return new TransportError(message, { retry: false });
}
