import type { Key } from 'ink';
import { expect, it } from 'vitest';
import { decodeKeys, typedText } from './decode.ts';

const none = Object.fromEntries(
  'upArrow downArrow leftArrow rightArrow pageDown pageUp home end return escape ctrl shift tab backspace delete meta super hyper capsLock numLock'
    .split(' ')
    .map((name) => [name, false]),
) as unknown as Key;

it.each<[string, Partial<Key>, string[]]>([
  ['jjG', {}, ['j', 'j', 'G']],
  ['ab\r', {}, ['a', 'b', 'enter']],
  [' ', {}, ['space']],
  ['é👍', {}, ['é', '👍']],
  ['\x15x', {}, ['ctrl-u', 'x']],
  ['', { upArrow: true }, ['up']],
  ['', { escape: true }, ['escape']],
  ['', { tab: true, shift: true }, ['shift-tab']],
  ['z', { ctrl: true }, ['ctrl-z']],
  ['q', { meta: true }, []],
  ['', {}, []],
])('%j %j is %j', (input, key, keys) => expect(decodeKeys(input, { ...none, ...key })).toEqual(keys));

it('knows which keys type', () => {
  expect(['a', 'space', '👍', 'enter', 'ctrl-a'].map(typedText)).toEqual(['a', ' ', '👍', undefined, undefined]);
});
