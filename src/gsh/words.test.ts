import { expect, test } from 'vitest';
import { wordsOf } from './words.ts';

test.each([
  ['', []],
  ['  ps   -a ', ['ps', '-a']],
  [`swap web --command 'a b' "c d"`, ['swap', 'web', '--command', 'a b', 'c d']],
  [`--env A="x y"'z'`, ['--env', 'A=x yz']],
  ['a\\ b "\\"" \'\\\'', ['a b', '"', '\\']],
  ['ps # all of them', ['ps']],
  ['exec web echo a#b ""', ['exec', 'web', 'echo', 'a#b', '']],
])('%s', (line, words) => {
  expect(wordsOf(line)).toEqual(words);
});

test('a quote that is not closed is an error', () => {
  expect(() => wordsOf('exec web "ls')).toThrow('a " is not closed');
});
