import fc from 'fast-check';

/** An entry of a tar made byte by byte, as no well-behaved program would make them all. */
export interface TestEntry {
  name: Buffer;
  /** The letter of its kind. */
  letter: string;
  body: Buffer;
  linkName?: Buffer;
  pax?: Record<string, Buffer>;
  /** GNU's way for names of any length. */
  isLongName?: boolean;
  /** The size in binary, as GNU's tar does above 8 GiB. */
  isBase256?: boolean;
  /** What the header says instead of the body's length. */
  saidSize?: number;
  /** What fills the last block; zeros if left out. */
  filler?: number;
}

export function header(entry: Omit<TestEntry, 'body'>, size: number): Buffer {
  const block = Buffer.alloc(512);
  entry.name.copy(block, 0, 0, 100);
  block.write('0000644\0', 100, 'latin1');
  block.write('0001750\0', 108, 'latin1');
  block.write('0001750\0', 116, 'latin1');
  if (entry.isBase256) {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  } else {
    block.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  }
  block.write('14000000000\0', 136, 'latin1');
  block.write(entry.letter, 156, 'latin1');
  entry.linkName?.copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function padded(body: Buffer, filler = 0): Buffer {
  return Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512, filler)]);
}

function paxBody(records: Record<string, Buffer>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
    let length = rest.length + 1;
    while (`${length}`.length + rest.length !== length) length++;
    return Buffer.concat([Buffer.from(`${length}`), rest]);
  });
  return Buffer.concat(lines);
}

export function tarEntry(entry: TestEntry): Buffer {
  const { name, letter, body, pax, isLongName, saidSize, filler } = entry;
  const parts: Buffer[] = [];
  if (isLongName) {
    const long = Buffer.concat([name, Buffer.from([0])]);
    parts.push(header({ name: Buffer.from('././@LongLink'), letter: 'L' }, long.length), padded(long));
  }
  if (pax) {
    const records = paxBody(pax);
    parts.push(header({ name: Buffer.from('PaxHeaders/x'), letter: 'x' }, records.length), padded(records));
  }
  parts.push(header({ ...entry, letter }, saidSize ?? body.length), padded(body, filler));
  return Buffer.concat(parts);
}

export function tarOfEntries(entries: readonly TestEntry[], end = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...entries.map(tarEntry), end]);
}

const name = fc
  .uint8Array({ minLength: 1, maxLength: 140 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 ? 1 : byte))));
const smallBody = fc.uint8Array({ maxLength: 1600 }).map((bytes) => Buffer.from(bytes));

export const anyFile: fc.Arbitrary<TestEntry> = fc.record(
  {
    name,
    letter: fc.constantFrom('0', '\0', '7'),
    body: smallBody,
    pax: fc.dictionary(fc.constantFrom('mtime', 'path', 'SCHILY.xattr.user.a', 'comment'), smallBody, { maxKeys: 3 }),
    isLongName: fc.boolean(),
    isBase256: fc.boolean(),
    filler: fc.constantFrom(0, 7),
  },
  { requiredKeys: ['name', 'letter', 'body'] },
);

const anyOther: fc.Arbitrary<TestEntry> = fc.record(
  {
    name,
    letter: fc.constantFrom('1', '2', '3', '4', '5', '6', 'D', 'S', 'V', 'g'),
    body: fc.oneof({ weight: 4, arbitrary: fc.constant(Buffer.alloc(0)) }, { weight: 1, arbitrary: smallBody }),
    linkName: name,
    pax: fc.dictionary(fc.constantFrom('linkpath', 'SCHILY.xattr.user.b'), smallBody, { maxKeys: 2 }),
  },
  { requiredKeys: ['name', 'letter', 'body'] },
);

/** Whole tars of any entries, some with the same body, some with an end that is none. */
export const anyTar: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: anyFile }, { weight: 1, arbitrary: anyOther }), { maxLength: 8 }),
    fc.boolean(),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant(Buffer.alloc(1024)) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 1100 }).map((bytes) => Buffer.from(bytes)) },
    ),
  )
  .map(([entries, isRepeated, end]) => tarOfEntries(isRepeated ? [...entries, ...entries] : entries, end));

/** `bytes` in pieces, cut as `lengths` says again and again. */
export function* inPieces(bytes: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? bytes.length;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
