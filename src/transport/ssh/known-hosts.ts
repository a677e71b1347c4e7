import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One line of a known_hosts file. Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
export interface KnownHost {
  file: string;
  /** From 1. */
  line: number;
  /** Keys of certificate authorities are kept apart: they vouch for certificates, not for plain keys. */
  marker?: 'revoked' | 'cert-authority';
  patterns: string;
  type: string;
  /** The key as the protocol carries it. */
  key: Buffer;
}

export type HostKeyVerdict =
  | { state: 'known' }
  | { state: 'unknown' }
  | { state: 'changed'; entry: KnownHost }
  | { state: 'revoked'; entry: KnownHost };

/** Lines that cannot be read are passed over, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  const entries: KnownHost[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const fields = line.split(/\s+/);
    const marker = fields[0]?.startsWith('@') ? fields.shift()?.slice(1) : undefined;
    if (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority') return;
    const [patterns, type, encoded] = fields;
    if (patterns === undefined || type === undefined || encoded === undefined) return;
    const key = Buffer.from(encoded, 'base64');
    if (keyType(key) !== type) return;
    entries.push({ file, line: index + 1, patterns, type, key, ...(marker && { marker }) });
  });
  return entries;
}

/** The lines of all these files; one that does not exist has none. */
export async function readKnownHosts(files: string[]): Promise<KnownHost[]> {
  const all: KnownHost[] = [];
  for (const file of files) {
    try {
      all.push(...parseKnownHosts(await readFile(file, 'utf8'), file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return all;
}

/** What a known_hosts line calls this host: the port is written only when it is not 22. */
export function hostId(host: string, port: number): string {
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** Whether the patterns of one line (comma list, `*`, `?`, `!`, or one hashed name) mean this host. */
export function matchesHost(patterns: string, id: string): boolean {
  if (patterns.startsWith('|1|')) return matchesHashed(patterns, id);
  let matched = false;
  for (const item of patterns.toLowerCase().split(',')) {
    const negated = item.startsWith('!');
    const pattern = negated ? item.slice(1) : item;
    if (pattern === '' || !matchesPattern(pattern, id)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/**
 * What is known of a host's key. A revoked key wins over everything. A host whose keys are known but of another type is
 * `changed`, not unknown: we asked for the known types first, so an honest server would have shown one of them.
 */
export function checkHostKey(entries: KnownHost[], id: string, key: Buffer): HostKeyVerdict {
  const ours = entries.filter((entry) => entry.marker !== 'cert-authority' && matchesHost(entry.patterns, id));
  const revoked = ours.find((entry) => entry.marker === 'revoked' && entry.key.equals(key));
  if (revoked) return { state: 'revoked', entry: revoked };
  const trusted = ours.filter((entry) => entry.marker === undefined);
  if (trusted.some((entry) => entry.key.equals(key))) return { state: 'known' };
  const type = keyType(key);
  const other = trusted.find((entry) => entry.type === type) ?? trusted[0];
  return other ? { state: 'changed', entry: other } : { state: 'unknown' };
}

/** Types of the keys known for a host, to be asked for first. */
export function knownTypes(entries: KnownHost[], id: string): string[] {
  const types = entries.filter((entry) => entry.marker === undefined && matchesHost(entry.patterns, id));
  return [...new Set(types.map((entry) => entry.type))];
}

/** Appends a host's key; makes the file (and its folder) for this user only when it is missing. */
export async function addKnownHost(file: string, id: string, key: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const before = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const newline = before === '' || before.endsWith('\n') ? '' : '\n';
  await appendFile(file, `${newline}${id} ${keyType(key)} ${key.toString('base64')}\n`, { mode: 0o600 });
}

/** As `ssh-keygen -l` prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type that a key in wire format names itself; empty when it is not one. */
export function keyType(key: Buffer): string {
  if (key.length < 4) return '';
  const length = key.readUInt32BE(0);
  return length > 0 && length <= 64 && key.length > 4 + length ? key.toString('latin1', 4, 4 + length) : '';
}

function matchesHashed(pattern: string, id: string): boolean {
  const [, , salt, hash] = pattern.split('|');
  if (!salt || !hash) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(id).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function matchesPattern(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(text);
}
