/** Size of a tar's blocks, bytes. */
export const BLOCK = 512;

/** What an entry's header says, as far as it decides where the entry's bytes end. */
export interface TarHeader {
  /** Decoded as UTF-8; bytes that are none become U+FFFD. */
  path: string;
  size: number;
  /** `pax`, `long-path`: its body is about the next entry. A `folder` has no body, whatever its size says. */
  kind: 'file' | 'folder' | 'pax' | 'long-path' | 'other';
}

const kinds: Record<string, TarHeader['kind'] | undefined> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  x: 'pax',
  L: 'long-path',
  N: 'long-path',
};

/**
 * Reads a header block. `end`: a block of zeros. Undefined: not a header, or one of a kind whose body this reading would not find
 * (GNU's sparse files).
 */
export function readHeader(block: Buffer): TarHeader | 'end' | undefined {
  const sum = checksum(block);
  if (sum === 8 * 0x20) return 'end';
  if (sum !== number(block, 148, 8)) return undefined;
  const size = number(block, 124, 12);
  const letter = String.fromCharCode(block[156] ?? 0);
  if (size === undefined || letter === 'S') return undefined;
  const name = text(block, 0, 100);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(block, 345, 155) : '';
  const path = prefix === '' ? name : `${prefix}/${name}`;
  // Old tars tell a folder by its last slash alone.
  if (letter === '5' || (letter === '\0' && path.endsWith('/'))) return { path, size, kind: 'folder' };
  return { path, size, kind: kinds[letter] ?? 'other' };
}

/** The records of a PAX header that decide where the next entry ends and what it is called. Reads up to the first bad record. */
export function readPax(body: Buffer): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(body.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > body.length) break;
    const record = body.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    const value = record.slice(equals + 1);
    if (record.startsWith('path=')) found.path = value;
    if (record.startsWith('size=') && isSize(Number(value))) found.size = Number(value);
    at += length;
  }
  return found;
}

/** A name in a body of GNU's: up to the first NUL. */
export function readLongPath(body: Buffer): string {
  return text(body, 0, body.length);
}

function text(bytes: Buffer, from: number, length: number): string {
  const nul = bytes.indexOf(0, from);
  return bytes.toString('utf8', from, nul < 0 ? from + length : Math.min(nul, from + length));
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  return sum;
}

/** A number in octal digits, or in base 256 when it is too large for them. Undefined if it is neither. */
function number(block: Buffer, from: number, length: number): number | undefined {
  if (((block[from] ?? 0) & 0x80) !== 0) return base256(block, from, length);
  const digits = block
    .toString('latin1', from, from + length)
    .replace(/^[ \0]+/, '')
    .replace(/[ \0].*$/s, '');
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function base256(block: Buffer, from: number, length: number): number | undefined {
  if (block[from] !== 0x80) return undefined;
  let value = 0;
  for (let i = from + 1; i < from + length; i++) value = value * 256 + (block[i] ?? 0);
  return isSize(value) ? value : undefined;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
