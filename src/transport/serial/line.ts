import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import type { ModemLines } from './port-controls.ts';

/** The services that a device offers on its link. */
export const lineServices = ['api', 'console'] as const;
export type LineService = (typeof lineServices)[number];

/** Besides reading and writing, what can be asked of the port itself. */
export const lineOrderSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('break') }),
  /** A break and then a key, which the kernel takes from the line itself, also under a link. */
  z.strictObject({ do: z.literal('sysrq'), key: z.string().regex(/^[!-~]$/) }),
  z.strictObject({ do: z.literal('set'), line: z.enum(['dtr', 'rts']), on: z.boolean() }),
  z.strictObject({ do: z.literal('report') }),
]);
export type LineOrder = z.infer<typeof lineOrderSchema>;

export const lineReportSchema = z.strictObject({
  path: z.string(),
  /** That the line runs at now. */
  baud: z.number(),
  flow: z.enum(['none', 'rtscts', 'xonxoff']),
  /** Process that has the port open. */
  holder: z.number(),
  /** Other programs that use the line through it. */
  guests: z.number(),
  link: z.enum(['plain', 'connecting', 'up', 'closed']),
  /** Bytes on the line since it was opened, and how long ago that was, in milliseconds. */
  received: z.number(),
  sent: z.number(),
  openForMs: z.number(),
  /** Absent where the port has none: an emulator's socket, a pseudo-terminal. */
  modem: z
    .strictObject({ dtr: z.boolean(), rts: z.boolean(), cts: z.boolean(), dsr: z.boolean(), dcd: z.boolean() })
    .optional() satisfies z.ZodType<ModemLines | undefined>,
});
export type LineReport = z.infer<typeof lineReportSchema>;

export interface LineEvents {
  /** Console text of the device, raw: boot loaders, the kernel, whatever is not the link. */
  text: [text: Buffer];
  up: [];
  /** Every stream was destroyed with an error; the line is a plain console again. */
  down: [reason: string];
  /** A device began to listen. */
  announced: [];
  /** What is seen of the device while somebody waits for its link, in words, whenever that changes. */
  waiting: [words: string];
  /** This line can be used no more: the port is gone, or the program that held it. It may be taken again. */
  closed: [reason: string];
}

/** How long to wait for the device's link, in milliseconds. */
export interface Patience {
  timeoutMs: number;
  signal: AbortSignal;
}

/** One serial line as this process uses it: by itself, or through the process that has the port. */
export abstract class Line extends EventEmitter<LineEvents> {
  /** Process that has the port open. */
  abstract readonly holder: number;
  abstract readonly isUp: boolean;
  abstract readonly isClosed: boolean;
  /**
   * A stream to a service of the device; makes the link first if need be. Rejects with a `TransportError` that says what
   * is seen on the line instead.
   */
  abstract open(service: LineService, patience: Patience): Promise<Duplex>;
  /**
   * Types into the bare line; nothing is read from it (see `text`). `exclusive`: until it is closed nobody makes a link on
   * this line. Rejects, or fails later, when there is a link.
   */
  abstract openPlain(options: { exclusive: boolean }): Promise<Duplex>;
  /** Rejects with a `TransportError` when the port cannot do it. */
  abstract control(order: LineOrder): Promise<LineReport>;
  abstract close(): Promise<void>;
}
