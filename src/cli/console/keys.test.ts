import fc from 'fast-check';
import { expect, test } from 'vitest';
import { consoleCommands, helpLines, type KeyEvent, PrefixKeys, parsePrefix, prefixName } from './keys.ts';

const T = 0x14;
const type = (text: string, prefix: number | undefined = T): KeyEvent[] =>
  new PrefixKeys(prefix).push(Buffer.from(text.replaceAll('^', String.fromCharCode(T)), 'latin1'));
const input = (text: string): KeyEvent => ({ type: 'input', bytes: Buffer.from(text, 'latin1') });

test('what is no command is for the device', () => {
  expect(type('ls -l\r')).toEqual([input('ls -l\r')]);
  expect(type('a^qb')).toEqual([input('a'), { type: 'command', name: 'quit' }, input('b')]);
  expect(type('^^')).toEqual([input('\x14')]);
  expect(new PrefixKeys(undefined).push(Buffer.from('\x14q'))).toEqual([input('\x14q')]);
});

test('commands that want another key', () => {
  expect(type('^Bh')).toEqual([expect.objectContaining({ type: 'say' }), { type: 'sysrq', key: 'h' }]);
  expect(type('^B\r')).toEqual([expect.anything(), { type: 'say', text: 'no SysRq was sent' }]);
  expect(type('^gd^gr').filter((event) => event.type === 'line')).toEqual([
    { type: 'line', line: 'dtr' },
    { type: 'line', line: 'rts' },
  ]);
  expect(type('^gx').at(-1)).toMatchObject({ type: 'say' });
  expect(type('^u/tmp/x\x7fy\rls')).toEqual([expect.anything(), { type: 'send', path: '/tmp/y' }, input('ls')]);
  expect(type('^u/tmp\x1bls')).toEqual([expect.anything(), { type: 'say', text: 'nothing was sent' }, input('ls')]);
});

test('an unknown command is named, not sent', () => {
  expect(type('^x')).toEqual([{ type: 'say', text: '"x" is no command; ? lists them' }]);
});

test('every command is in the help', () => {
  const help = helpLines(T).join('\n');
  for (const key of Object.keys(consoleCommands)) expect(help).toContain(`\n  ${key}  `);
  expect(help).toMatch(/^ctrl-t and then/);
});

test('prefix keys read as people write them', () => {
  expect(['ctrl-t', '^T', 'Ctrl-A', 'ctrl-]', 'none'].map(parsePrefix)).toEqual([T, T, 1, 0x1d, undefined]);
  for (const wrong of ['t', 'ctrl-1', 'ctrl-', 'alt-t', 'ctrl-tt']) expect(() => parsePrefix(wrong)).toThrow('prefix');
  expect([T, 1, 0x1d].map(prefixName)).toEqual(['ctrl-t', 'ctrl-a', 'ctrl-]']);
});

test('how the keys arrive does not matter, and without the prefix nothing is changed', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 8 })), (chunks) => {
      const merge = (events: KeyEvent[]) =>
        events
          .map((event) => (event.type === 'input' ? event.bytes.toString('latin1') : JSON.stringify(event)))
          .join('');
      const pieces = new PrefixKeys(T);
      const all = Buffer.concat(chunks);
      expect(merge(chunks.flatMap((chunk) => pieces.push(Buffer.from(chunk))))).toBe(
        merge(new PrefixKeys(T).push(all)),
      );
      expect(merge(new PrefixKeys(undefined).push(all))).toBe(all.toString('latin1'));
    }),
  );
});
