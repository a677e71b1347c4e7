const short83 = /^[A-Z0-9$%'_@~!(){}^#&-]{1,8}(\.[A-Z0-9$%'_@~!(){}^#&-]{1,3})?$/;
/** Positions of a long name's 13 characters in its directory entry. */
const longPositions = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/** 1980-01-01, the first day that FAT knows: year, month and day in their bits. */
const firstDay = (1 << 5) | 1;

/** What FAT knows a file by: 11 bytes, and its real name when that is not the same. */
export interface FatName {
  short: string;
  long?: string;
}

/**
 * The short name of each name of a folder: itself where it is one, else the beginning, `~` and a number, unique in the
 * folder. Names differ in more than case.
 */
export function shortNames(names: readonly string[]): Map<string, FatName> {
  const result = new Map<string, FatName>();
  names.forEach((name, index) => {
    const upper = name.toUpperCase();
    const [base = '', extension = ''] = short83.test(upper) ? upper.split('.') : shortened(upper, index + 1);
    const short = base.padEnd(8) + extension.padEnd(3);
    result.set(name, upper === name && short83.test(name) ? { short } : { short, long: name });
  });
  return result;
}

function shortened(upper: string, number: number): [string, string] {
  const dot = upper.lastIndexOf('.');
  const clean = (text: string) => text.replace(/[^A-Z0-9]/g, '_');
  const [base, extension] = dot > 0 ? [upper.slice(0, dot), upper.slice(dot + 1)] : [upper, ''];
  const tail = `~${number}`;
  return [clean(base).slice(0, 8 - tail.length) + tail, clean(extension).slice(0, 3)];
}

/** The entries (32 bytes each) of one file or folder: those of its long name, then its own. */
export function directoryEntry(name: FatName, what: { attributes: number; cluster?: number; bytes?: number }): Buffer {
  const entry = Buffer.alloc(32);
  entry.write(name.short, 0, 11, 'latin1');
  entry.writeUInt8(what.attributes, 11);
  for (const position of [16, 18, 24]) entry.writeUInt16LE(firstDay, position);
  const { cluster = 0 } = what;
  entry.writeUInt16LE(cluster >>> 16, 20);
  entry.writeUInt16LE(cluster & 0xffff, 26);
  entry.writeUInt32LE(what.bytes ?? 0, 28);
  return Buffer.concat([...longEntries(name), entry]);
}

/** How many entries of 32 bytes a name takes. */
export function entryCount({ long }: FatName): number {
  return long === undefined ? 1 : 1 + Math.ceil(long.length / 13);
}

/** Last part first, as the format has it; behind the end of a name that does not fill its entry are a zero and ones. */
function longEntries({ short, long }: FatName): Buffer[] {
  if (long === undefined) return [];
  const sum = checksum(short);
  const parts = Math.ceil(long.length / 13);
  return Array.from({ length: parts }, (_, index) => {
    const number = parts - index;
    const entry = Buffer.alloc(32);
    entry.writeUInt8(number | (index === 0 ? 0x40 : 0), 0);
    entry.writeUInt8(0x0f, 11);
    entry.writeUInt8(sum, 13);
    longPositions.forEach((position, i) => {
      const at = (number - 1) * 13 + i;
      const code = at < long.length ? long.charCodeAt(at) : at === long.length ? 0 : 0xffff;
      entry.writeUInt16LE(code, position);
    });
    return entry;
  });
}

function checksum(short: string): number {
  let sum = 0;
  for (const byte of Buffer.from(short, 'latin1')) sum = ((((sum & 1) << 7) | (sum >> 1)) + byte) & 0xff;
  return sum;
}
