/** One file of an archive; without a `uid`, `gid` or time they are 0. */
export interface CpioEntry {
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo';
  /** Permission bits. */
  mode: number;
  content?: Buffer | undefined;
  linkname?: string | undefined;
  uid?: number;
  gid?: number;
  /** Seconds since 1970. */
  mtime?: number;
  devmajor?: number | undefined;
  devminor?: number | undefined;
}

const typeBits: Record<CpioEntry['type'], number> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  link: 0o100000,
  'character-device': 0o020000,
  'block-device': 0o060000,
  fifo: 0o010000,
};

/** A cpio archive as the kernel unpacks it. Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    const data = entry.type === 'symlink' ? Buffer.from(entry.linkname ?? '') : (entry.content ?? Buffer.alloc(0));
    parts.push(...record(entry.path, index + 1, (typeBits[entry.type] ?? 0) | entry.mode, data, entry));
  });
  parts.push(...record('TRAILER!!!', 0, 0, Buffer.alloc(0)));
  return Buffer.concat(parts);
}

function record(name: string, inode: number, mode: number, data: Buffer, entry?: CpioEntry): Buffer[] {
  const nlink = entry?.type === 'directory' ? 2 : 1;
  const fields = [
    inode,
    mode,
    entry?.uid ?? 0,
    entry?.gid ?? 0,
    nlink,
    entry?.mtime ?? 0,
    data.length,
    0,
    0,
    entry?.devmajor ?? 0,
    entry?.devminor ?? 0,
    Buffer.byteLength(name) + 1,
    0,
  ];
  const header = Buffer.from(`070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`);
  return [header, padding(header.length), data, padding(data.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
