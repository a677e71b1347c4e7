import { StoreError } from './errors.ts';

const whiteoutPrefix = '.wh.';
const opaqueMark = '.wh..wh..opq';
/** Linux' limit for a whole path; the layer's own folder is in front of it. */
const maxPath = 3500;

/** What a tar entry's name means in a layer. `path` is relative to the layer's folder; '' is the folder itself. */
export type EntryPath =
  | { kind: 'entry'; path: string }
  /** Hides `path` of the layers below. */
  | { kind: 'whiteout'; path: string }
  /** Hides everything that the layers below have in the folder `path`. */
  | { kind: 'opaque'; path: string }
  /** A mark of old aufs graph drivers that means nothing to overlayfs. */
  | { kind: 'ignore' };

/** A name for people, from untrusted bytes: quoted and cut. */
export function quoted(name: string): string {
  const text = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return JSON.stringify(text);
}

/**
 * A tar name as a path that cannot leave the layer: no leading slash, no `..`, no empty or `.` parts. Names that are not
 * UTF-8 were decoded with U+FFFD in them; taking those would give files other names than the layer says.
 */
export function safePath(name: string, what: string): string {
  const refuse = (why: string) => new StoreError('invalid', `the layer's ${what} ${quoted(name)} ${why}`);
  if (name.includes('\0')) throw refuse('has a NUL byte in it');
  if (name.includes('\uFFFD')) throw refuse('is not UTF-8');
  if (name.startsWith('/')) throw refuse('is absolute; names in a layer are relative to its root');
  if (Buffer.byteLength(name) > maxPath) throw refuse('is too long');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw refuse('has ".." in it, which could lead out of the layer');
  return parts.join('/');
}

/** Source: OCI Image Layer Filesystem Changeset, "Whiteouts". */
export function parseEntryPath(name: string): EntryPath {
  const path = safePath(name, 'entry');
  const slash = path.lastIndexOf('/');
  const parent = slash < 0 ? '' : path.slice(0, slash);
  const base = path.slice(slash + 1);
  if (!base.startsWith(whiteoutPrefix)) return { kind: 'entry', path };
  if (base === opaqueMark) return { kind: 'opaque', path: parent };
  if (base.startsWith('.wh..wh.')) return { kind: 'ignore' };
  const hidden = base.slice(whiteoutPrefix.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw new StoreError('invalid', `the layer's whiteout ${quoted(name)} names nothing that can be hidden`);
  }
  return { kind: 'whiteout', path: parent === '' ? hidden : `${parent}/${hidden}` };
}
