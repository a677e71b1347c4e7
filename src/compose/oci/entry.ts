/** A file of a layer or of the root image, held in memory. */
export interface Entry {
  /** Relative, without a leading or trailing slash. */
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo';
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since the epoch. */
  mtime: number;
  /** Target of a symlink; path (as `path`) of a hard link's first name. */
  linkname?: string;
  content?: Buffer;
  devmajor?: number;
  devminor?: number;
  /** PAX records, e.g. `SCHILY.xattr.security.capability`. */
  pax?: Record<string, string>;
}

export function directory(path: string, mode = 0o755): Entry {
  return { path, type: 'directory', mode, uid: 0, gid: 0, mtime: 0 };
}

export function symlink(path: string, target: string): Entry {
  return { path, type: 'symlink', mode: 0o777, uid: 0, gid: 0, mtime: 0, linkname: target };
}

export function file(path: string, content: Buffer | string, mode = 0o644): Entry {
  return { path, type: 'file', mode, uid: 0, gid: 0, mtime: 0, content: Buffer.from(content) };
}

/** Tar's order for equal input: by path, so that a folder comes before what is in it. */
export function sortEntries(entries: Entry[]): Entry[] {
  return entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
