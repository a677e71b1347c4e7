import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stateDir } from './paths.ts';

/** Files of the key that opens the devices that this person boots in QEMU. */
export interface DemoKey {
  identityFile: string;
  publicKeyFile: string;
}

/** The key, made when there is none. Two processes that make it at once end up with the same one. */
export function ensureDemoKey(): DemoKey {
  const dir = join(stateDir(), 'demo');
  const identityFile = join(dir, 'id_ed25519');
  const publicKeyFile = `${identityFile}.pub`;
  if (!existsSync(identityFile)) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    placeOnce(identityFile, generatePrivateKey());
  }
  if (!existsSync(publicKeyFile)) placeOnce(publicKeyFile, publicLine(readFileSync(identityFile, 'utf8')));
  return { identityFile, publicKeyFile };
}

/** Complete or absent, and the first one stays: a link never replaces. */
function placeOnce(path: string, content: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, content, { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary);
  }
}

const comment = 'gantry-demo';
const keyType = 'ssh-ed25519';
const magic = Buffer.from('openssh-key-v1\0', 'latin1');
const pemStart = '-----BEGIN OPENSSH PRIVATE KEY-----';
const pemEnd = '-----END OPENSSH PRIVATE KEY-----';

/** SSH's `string`: length, then bytes (RFC 4251, section 5). */
function field(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/**
 * A new key in OpenSSH's own format (PROTOCOL.key). Not by ssh2's generator: it drops leading zero bytes of a public
 * key, which makes one key in 256 useless.
 */
function generatePrivateKey(): string {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const seed = Buffer.from(jwk.d ?? '', 'base64url');
  const point = Buffer.from(jwk.x ?? '', 'base64url');
  const publicKey = Buffer.concat([field(keyType), field(point)]);
  const check = randomBytes(4);
  const fields = [field(keyType), field(point), field(Buffer.concat([seed, point])), field(comment)];
  let secret = Buffer.concat([check, check, ...fields]);
  for (let padding = 1; secret.length % 8 !== 0; padding++) secret = Buffer.concat([secret, Buffer.from([padding])]);
  const header = [magic, field('none'), field('none'), field(''), Buffer.from([0, 0, 0, 1])];
  const body = Buffer.concat([...header, field(publicKey), field(secret)]).toString('base64');
  return `${pemStart}\n${body.replace(/.{1,70}/g, '$&\n')}${pemEnd}\n`;
}

/** The line for `authorized_keys`, from a private key that `generatePrivateKey` wrote: its public part is not secret. */
function publicLine(privateKey: string): string {
  const body = Buffer.from(privateKey.replace(pemStart, '').replace(pemEnd, ''), 'base64');
  let offset = magic.length;
  const next = () => {
    const start = offset + 4;
    offset = start + body.readUInt32BE(offset);
    return body.subarray(start, offset);
  };
  for (let skipped = 0; skipped < 3; skipped++) next();
  offset += 4;
  const publicKey = next();
  const expected = field(keyType);
  if (!publicKey.subarray(0, expected.length).equals(expected)) throw new Error('not an Ed25519 key');
  return `${keyType} ${publicKey.toString('base64')} ${comment}\n`;
}
