import { z } from 'zod';
import { TransportError } from '../transport.ts';

export interface SerialTarget {
  /** Absolute path of a tty or of a unix socket. */
  path: string;
  baud: number;
  /** The line, or an adapter on it, takes XOFF for a command to stop: frames have no such bytes. */
  flow?: 'xonxoff';
}

const baudSchema = z.coerce.number().int().min(300).max(4_000_000);

/** `serial:/dev/ttyUSB0?baud=115200`, `serial:/run/vm/serial.sock`. Throws a `TransportError` that shows the right form. */
export function parseSerialTarget(target: string): SerialTarget {
  const match = /^serial:([^?]+)(?:\?(.*))?$/.exec(target);
  const path = match?.[1] ?? '';
  if (!match || !path.startsWith('/')) {
    throw wrong(`${target} is not a serial port: write serial:/dev/ttyUSB0 or serial:/dev/ttyUSB0?baud=115200`);
  }
  let baud = 115_200;
  let flow: SerialTarget['flow'];
  for (const [key, value] of new URLSearchParams(match[2] ?? '')) {
    if (key === 'flow') {
      if (value !== 'xonxoff') throw wrong(`${target}: ${value} is not a flow control; there is only xonxoff`);
      flow = value;
      continue;
    }
    const parsed = baudSchema.safeParse(value);
    if (key !== 'baud') throw wrong(`${target}: ${key} is not an option of a serial port; there are baud and flow`);
    if (!parsed.success) throw wrong(`${target}: ${value} is not a baud rate; most devices use 115200`);
    baud = parsed.data;
  }
  return { path, baud, ...(flow && { flow }) };
}

function wrong(message: string): TransportError {
  return new TransportError(message, { retry: false });
}
