import { z } from 'zod';
import { TransportError } from '../transport.ts';

export interface SerialTarget {
  /** Absolute path of a tty or of a unix socket. */
  path: string;
  baud: number;
  /** Who stops whom: nobody, the lines RTS and CTS, or the bytes XON and XOFF, which frames do not have then. */
  flow: 'none' | 'rtscts' | 'xonxoff';
}

const defaultBaud = 115_200;
const options = {
  baud: z.coerce.number().int().min(300).max(4_000_000),
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
    } else if (key === 'flow') {
      const flow = options.flow.safeParse(value);
      if (!flow.success) throw wrong(`${target}: flow is rtscts, xonxoff or none, not ${value}`);
      parsed.flow = flow.data;
    } else {
      throw wrong(`${target}: ${key} is not an option of a serial port; there are baud and flow`);
    }
  }
  return parsed;
}

/** The text that names a serial line, as `-d` takes it: what differs from the usual is in it. */
export function serialTarget(target: { path: string; baud?: number; flow?: SerialTarget['flow'] }): string {
  const query = [
    ...(target.baud === undefined ? [] : [`baud=${target.baud}`]),
    ...(target.flow === undefined || target.flow === 'none' ? [] : [`flow=${target.flow}`]),
  ];
  return `serial:${target.path}${query.length > 0 ? `?${query.join('&')}` : ''}`;
}

function wrong(message: string): TransportError {
  return new TransportError(message, { retry: false });
}
