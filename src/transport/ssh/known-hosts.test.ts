import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkHostKey, hostId, matchesHost, parseKnownHosts } from './known-hosts.ts';

/** A key in wire format: the type, then anything. */
function key(type: string, content: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), Buffer.from(content)]);
}
const line = (patterns: string, made: Buffer, type = 'ssh-ed25519') => `${patterns} ${type} ${made.toString('base64')}`;

const ours = key('ssh-ed25519', 'ours');
const theirs = key('ssh-ed25519', 'theirs');

describe('patterns', () => {
  it.each([
    ['board', 'board', true],
    ['Board,other', 'board', true],
    ['*.lab', 'a.lab', true],
    ['*.lab', 'a.lab.example', false],
    ['board?', 'board1', true],
    ['board?', 'board', false],
    ['*,!board', 'board', false],
    ['!board,*', 'other', true],
    ['[board]:2222', '[board]:2222', true],
    ['board', '[board]:2222', false],
    ['[*]:2222', '[board]:2222', true],
    ['a.b', 'axb', false],
    ['', 'board', false],
  ])('%s for %s: %s', (patterns, id, expected) => {
    expect(matchesHost(patterns, id)).toBe(expected);
  });

  it('hashed', () => {
    const salt = Buffer.alloc(20, 7);
    const hash = createHmac('sha1', salt).update('[board]:2222').digest('base64');
    const patterns = `|1|${salt.toString('base64')}|${hash}`;
    expect(matchesHost(patterns, '[board]:2222')).toBe(true);
    expect(matchesHost(patterns, 'board')).toBe(false);
    expect(matchesHost('|1||', 'board')).toBe(false);
  });

  it('match literally what has no wildcard', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9.[\]:+$()-]{1,20}$/), (name) => {
        expect(matchesHost(name, name)).toBe(true);
        expect(matchesHost(name, `${name}x`)).toBe(false);
      }),
    );
  });
});

describe('verdicts', () => {
  const check = (text: string, shown = ours) => checkHostKey(parseKnownHosts(text, 'file'), hostId('Board', 22), shown);

  it('known, unknown, changed', () => {
    expect(check(line('board', ours))).toEqual({ state: 'known' });
    expect(check(line('other', ours))).toEqual({ state: 'unknown' });
    expect(check(`# comment\n\n${line('board', theirs)}`)).toMatchObject({
      state: 'changed',
      entry: { file: 'file', line: 3 },
    });
  });

  it('several keys of one host are all good', () => {
    expect(check(`${line('board', theirs)}\n${line('board', ours)}`)).toEqual({ state: 'known' });
  });

  it('a key of another type is a changed one', () => {
    const rsa = key('ssh-rsa', 'x');
    expect(check(line('board', rsa, 'ssh-rsa'))).toMatchObject({ state: 'changed', entry: { type: 'ssh-rsa' } });
  });

  it('a revoked key loses, wherever it stands', () => {
    expect(check(`${line('board', ours)}\n@revoked ${line('*', ours)}`)).toMatchObject({
      state: 'revoked',
      entry: { line: 2 },
    });
    expect(check(`@revoked ${line('*', theirs)}`)).toEqual({ state: 'unknown' });
  });

  it('a certificate authority vouches for no plain key', () => {
    expect(check(`@cert-authority ${line('board', ours)}`)).toEqual({ state: 'unknown' });
  });

  it('no text makes it fail, or trust a key that is not in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(check(text)).toEqual({ state: 'unknown' });
      }),
    );
  });
});
