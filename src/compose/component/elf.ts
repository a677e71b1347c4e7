/** What an ELF file says about itself, as far as the check of a component needs it. */
export interface ElfInfo {
  /** DT_NEEDED: names of the shared libraries it is linked with. */
  needed: string[];
  /** DT_RUNPATH or DT_RPATH, split; `$ORIGIN` kept. */
  runpath: string[];
  /** PT_INTERP, the dynamic loader. */
  interpreter: string | undefined;
}

const dynamicTag = { needed: 1n, stringTable: 5n, rpath: 15n, runpath: 29n };

/** Reads a 64-bit little-endian ELF file; undefined for anything else. Source: System V ABI, chapters 4 and 5. */
export function readElf(data: Buffer): ElfInfo | undefined {
  if (data.length < 64 || data.readUInt32BE(0) !== 0x7f454c46 || data[4] !== 2 || data[5] !== 1) return undefined;
  const programHeaders = Number(data.readBigUInt64LE(32));
  const size = data.readUInt16LE(54);
  const count = data.readUInt16LE(56);
  const segments: { type: number; offset: number; address: number; length: number }[] = [];
  for (let i = 0; i < count; i++) {
    const at = programHeaders + i * size;
    if (at + 56 > data.length) return undefined;
    segments.push({
      type: data.readUInt32LE(at),
      offset: Number(data.readBigUInt64LE(at + 8)),
      address: Number(data.readBigUInt64LE(at + 16)),
      length: Number(data.readBigUInt64LE(at + 32)),
    });
  }
  const text = (offset: number) => data.toString('latin1', offset, data.indexOf(0, offset));
  const interp = segments.find((segment) => segment.type === 3);
  const dynamic = segments.find((segment) => segment.type === 2);
  const info: ElfInfo = { needed: [], runpath: [], interpreter: interp && text(interp.offset) };
  if (dynamic === undefined) return info;
  const tags: [bigint, number][] = [];
  for (let at = dynamic.offset; at + 16 <= Math.min(dynamic.offset + dynamic.length, data.length); at += 16) {
    tags.push([data.readBigUInt64LE(at), Number(data.readBigUInt64LE(at + 8))]);
  }
  const table = tags.find(([tag]) => tag === dynamicTag.stringTable)?.[1];
  const load = segments.find(
    (s) => s.type === 1 && table !== undefined && table >= s.address && table < s.address + s.length,
  );
  if (table === undefined || load === undefined) return info;
  const strings = table - load.address + load.offset;
  for (const [tag, value] of tags) {
    if (tag === dynamicTag.needed) info.needed.push(text(strings + value));
    if (tag === dynamicTag.rpath || tag === dynamicTag.runpath) info.runpath.push(...text(strings + value).split(':'));
  }
  return info;
}
