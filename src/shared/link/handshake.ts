import { ByteReader, ByteWriter } from './bytes.ts';

/**
 * What both sides say before they agree on anything. The layout of these bodies up to and including `session` stays the
 * same in every version of the protocol, so that a version that does not fit can be named.
 */
export const PROTOCOL_VERSION = 2;
/** Seed of the CRC of handshake frames: there is no session yet. */
export const HANDSHAKE_SEED = 0x47545259;

const kinds = { hello: 0x84, accept: 0x85, refuse: 0x86 } as const;

/** What a host asks for and a device agrees to. */
export interface Features {
  /** The bytes of streams are compressed. */
  compression: boolean;
  /** Frames have no XON, XOFF, CR or NUL: for a line with software flow control or a translating adapter. */
  careful: boolean;
  /** The host may ask for a faster speed: see `SpeedMessage`. */
  speed: boolean;
}

/** `bytesPerSecond` of the line, 0 when it has no rate worth pacing for. */
export interface Hello {
  kind: 'hello';
  version: number;
  session: number;
  bytesPerSecond: number;
  features: Features;
}

export type Answer =
  | { kind: 'accept'; version: number; session: number; bootId: string; features: Features }
  | { kind: 'refuse'; version: number; session: number; message: string };

export type Handshake = Hello | Answer;

const bits = { compression: 1, careful: 2, speed: 4 } as const;
const none: Features = { compression: false, careful: false, speed: false };

function encodeFeatures({ compression, careful, speed }: Features): number {
  return (compression ? bits.compression : 0) | (careful ? bits.careful : 0) | (speed ? bits.speed : 0);
}

/** Bits of features that this version does not know count as not asked for. */
function decodeFeatures(value: number): Features {
  return {
    compression: (value & bits.compression) !== 0,
    careful: (value & bits.careful) !== 0,
    speed: (value & bits.speed) !== 0,
  };
}

export function isHandshake(kind: number | undefined): boolean {
  return kind === kinds.hello || kind === kinds.accept || kind === kinds.refuse;
}

export function encodeHandshake(message: Handshake): Buffer {
  const writer = new ByteWriter().u8(kinds[message.kind]).u8(message.version).u32(message.session);
  if (message.kind === 'refuse') return writer.text(message.message).finish();
  if (message.kind === 'hello') writer.varint(message.bytesPerSecond);
  else writer.text(message.bootId);
  return writer.u8(encodeFeatures(message.features)).finish();
}

/** Throws `MalformedError`. Fields behind `session` are read only when the version is ours. */
export function decodeHandshake(body: Buffer): Handshake {
  const reader = new ByteReader(body);
  const kind = reader.u8();
  const version = reader.u8();
  const session = reader.u32();
  const ours = version === PROTOCOL_VERSION;
  if (kind === kinds.hello) {
    const bytesPerSecond = ours ? reader.varint() : 0;
    return { kind: 'hello', version, session, bytesPerSecond, features: ours ? decodeFeatures(reader.u8()) : none };
  }
  if (kind === kinds.accept) {
    const bootId = ours ? reader.text() : '';
    return { kind: 'accept', version, session, bootId, features: ours ? decodeFeatures(reader.u8()) : none };
  }
  return { kind: 'refuse', version, session, message: ours ? reader.text() : '' };
}

/** What a device answers: it agrees to as much as both can. */
export function answerTo(
  { version, session, bytesPerSecond, features }: Hello,
  own: { bootId: string; compresses: boolean; changesSpeed: boolean },
): Answer {
  if (version !== PROTOCOL_VERSION) {
    const message = `this device speaks version ${PROTOCOL_VERSION} of the link protocol`;
    return { kind: 'refuse', version: PROTOCOL_VERSION, session, message };
  }
  const agreed = {
    compression: features.compression && own.compresses,
    careful: features.careful,
    speed: features.speed && own.changesSpeed && bytesPerSecond > 0,
  };
  return { kind: 'accept', version: PROTOCOL_VERSION, session, bootId: own.bootId, features: agreed };
}

/**
 * What the device prints as plain text when it begins to listen: an APC string, which terminals do not show. A host that
 * sees it need not wait for its next attempt, and one that believed itself connected knows that the device began anew.
 */
export function announcement(bootId: string): Buffer {
  return Buffer.from(`\x1b_gantry;${PROTOCOL_VERSION};${bootId}\x1b\\`, 'latin1');
}

const announcementPattern = /\x1b_gantry;\d+;([0-9A-Za-z-]*)\x1b\\/g;
/** What boot loaders and the kernel print first. */
const bootPattern = /U-Boot (?:SPL |TPL )?20\d\d\.|\[ {4}0\.000000\] (?:Linux version|Booting Linux)/g;
const KEPT = 96;

/** Finds, in text that arrives in pieces, the signs that a device begins anew. */
export class BeginningFinder {
  #tail = '';

  /** The last sign that `text` completed. */
  push(text: Buffer): 'announced' | 'booting' | undefined {
    const all = this.#tail + text.toString('latin1');
    const announced = endOfLast(announcementPattern, all);
    const booting = endOfLast(bootPattern, all);
    this.#tail = all.slice(Math.max(announced, booting)).slice(-KEPT);
    if (announced > booting) return 'announced';
    return booting > 0 ? 'booting' : undefined;
  }
}

/** The boot id in the last announcement in `text` (latin1), unless something has begun to boot since. */
export function lastAnnounced(text: string): string | undefined {
  const last = [...text.matchAll(announcementPattern)].at(-1);
  return last !== undefined && last.index >= endOfLast(bootPattern, text) ? last[1] : undefined;
}

function endOfLast(pattern: RegExp, text: string): number {
  let end = 0;
  for (const match of text.matchAll(pattern)) end = match.index + match[0].length;
  return end;
}
