import type { Header } from 'tar-stream';
import { quoted } from './entry-path.ts';
import { StoreError } from './errors.ts';

export interface EntryAttributes {
  uid: number;
  gid: number;
  /** With setuid, setgid and sticky bits. */
  mode: number;
  time: Date;
  /** Value of `security.capability`. */
  capabilities?: Buffer;
}

const maxId = 0xffff_fffe;

/**
 * Owner, mode, time and file capabilities of an entry. Other extended attributes are not taken: they are for a file system
 * or a security module that the device does not have, and `trusted.overlay.` ones would let a layer steer the overlay
 * it becomes part of. PAX records win over the header's fields, which cannot hold
 * large ids and fractions of seconds; tar-stream itself heeds only path, linkpath and size.
 */
export function attributesOf(header: Header): EntryAttributes {
  const pax = paxRecords(header.pax);
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'))) {
    throw new StoreError(
      'invalid',
      `the layer's entry ${quoted(header.name)} is a sparse file, which layers may not have`,
    );
  }
  return {
    uid: id(pax.uid, header.uid, header.name),
    gid: id(pax.gid, header.gid, header.name),
    mode: header.mode & 0o7777,
    time: time(pax.mtime, header.mtime),
    capabilities: capabilities(pax['SCHILY.xattr.security.capability'], header.name),
  };
}

function id(fromPax: string | undefined, fromHeader: number, name: string): number {
  const value = fromPax === undefined ? fromHeader : Number(fromPax);
  if (Number.isInteger(value) && value >= 0 && value <= maxId) return value;
  throw new StoreError('invalid', `the layer's entry ${quoted(name)} has an owner that is not a user or group number`);
}

function time(fromPax: string | undefined, fromHeader: Date): Date {
  const milliseconds = fromPax === undefined ? fromHeader.getTime() : Math.floor(Number(fromPax) * 1000);
  return Number.isFinite(milliseconds) && Math.abs(milliseconds) < 8.64e15 ? new Date(milliseconds) : new Date(0);
}

/** tar-stream gives PAX values as text: bytes that are none are lost. */
function capabilities(value: string | undefined, entry: string): Buffer | undefined {
  if (!value?.includes('\uFFFD')) return value === undefined ? undefined : Buffer.from(value, 'utf8');
  throw new StoreError('invalid', `the file capabilities of the layer's entry ${quoted(entry)} cannot be read`);
}

function paxRecords(pax: unknown): Record<string, string> {
  const entries = typeof pax === 'object' && pax !== null ? Object.entries(pax) : [];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
