/**
 * A place in a log that outlives rotations, restarts and broken connections. Which file it is in is told by the file's inode
 * (it stays the same when the file is renamed) and by the time of its first line (inodes are used again).
 */
export interface Cursor {
  inode: number;
  /** Time of the file's first line, nanoseconds since the epoch. */
  first: bigint;
  /** Bytes before the place. */
  offset: number;
  /** Time of the line that ends there; 0 at the beginning of the file. Tells a file that was cut short by a power cut. */
  last: bigint;
  /** Entries from there on that were taken already, while a line of the other stream was still open. */
  taken: number;
}

/** The cursor of a log that had nothing in it yet. */
export const beginning = 'start';

export function formatCursor({ inode, first, offset, last, taken }: Cursor): string {
  return [inode, first, offset, last, taken].map((number) => number.toString(36)).join('.');
}

/** `beginning` for itself; undefined when the text is no cursor. */
export function parseCursor(text: string): Cursor | typeof beginning | undefined {
  if (text === beginning) return beginning;
  if (!/^[0-9a-z]{1,16}(\.[0-9a-z]{1,16}){4}$/.test(text)) return undefined;
  const [inode = 0n, first = 0n, offset = 0n, last = 0n, taken = 0n] = text.split('.').map(fromBase36);
  return { inode: Number(inode), first, offset: Number(offset), last, taken: Number(taken) };
}

function fromBase36(text: string): bigint {
  let value = 0n;
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return value;
}
