import { ByteReader, ByteWriter, MalformedError } from './bytes.ts';

/**
 * How both sides of a session agree on a faster speed. These frames stand beside the session's packets and are repeated by
 * who sent them: what carries the agreement must not depend on it. `change` counts the host's attempts, so that what is
 * late belongs to none.
 */
export type SpeedMessage =
  /** Host: will you run at `baud`? */
  | { type: 'ask'; change: number; baud: number }
  /** Device: its port has shown that it does, and it goes there now. */
  | { type: 'ready'; change: number }
  /** Device: its port does not, or there is nothing that would keep the safe speed for whoever comes after it. */
  | { type: 'refused'; change: number }
  /** Host, at the new speed; the device sends the same back. */
  | { type: 'probe' | 'echo'; change: number; index: number; filling: Buffer }
  /** Host: enough came back. */
  | { type: 'commit'; change: number }
  /** Device: this is the speed now. */
  | { type: 'committed'; change: number }
  /** Either side: to the safe speed. */
  | { type: 'back'; change: number };

const SPEED = 0x90;
const types = ['ask', 'ready', 'refused', 'probe', 'echo', 'commit', 'committed', 'back'] as const;

export function isSpeedFrame(kind: number | undefined): boolean {
  return kind === SPEED;
}

export function encodeSpeed(message: SpeedMessage): Buffer {
  const writer = new ByteWriter().u8(SPEED).u8(types.indexOf(message.type)).varint(message.change);
  if (message.type === 'ask') writer.varint(message.baud);
  if (message.type === 'probe' || message.type === 'echo') writer.u8(message.index).raw(message.filling);
  return writer.finish();
}

/** Throws `MalformedError`. */
export function decodeSpeed(body: Buffer): SpeedMessage {
  const reader = new ByteReader(body, 1);
  const type = types[reader.u8()];
  const change = reader.varint();
  if (type === undefined) throw new MalformedError('unknown message about the speed');
  if (type === 'ask') return { type, change, baud: reader.varint() };
  if (type === 'probe' || type === 'echo')
    return { type, change, index: reader.u8(), filling: Buffer.from(reader.rest()) };
  return { type, change };
}
