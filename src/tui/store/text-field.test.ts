import fc from 'fast-check';
import { expect, it } from 'vitest';
import { editField, emptyField, fieldOf, insertText, type TextField } from './text-field.ts';

const type = (field: TextField, ...keys: string[]) =>
  keys.reduce((now, key) => editField(now, key) ?? insertText(now, key), field);

it.each([
  [['a', 'b', 'left', 'X'], 'aXb'],
  [['web:1', 'backspace', '2'], 'web:2'],
  [['👍', 'x', 'left', 'backspace'], 'x'],
  [['one two ', 'ctrl-w'], 'one '],
  [['one', 'ctrl-u', 'two'], 'two'],
  [['one', 'home', 'delete', 'end', '!'], 'ne!'],
  [['abc', 'left', 'ctrl-k'], 'ab'],
  [['pasted\nline\x1b'], 'pastedline'],
])('%j types %j', (keys, text) => expect(type(emptyField, ...keys).text).toBe(text));

it('says which keys are not for editing', () => {
  expect(editField(fieldOf('a'), 'enter')).toBeUndefined();
});

it('keeps its cursor inside the text', () => {
  const keys = ['backspace', 'delete', 'left', 'right', 'home', 'end', 'ctrl-w', 'ctrl-u', 'ctrl-k', 'é', ' '];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...keys)), (typed) => {
      const field = type(emptyField, ...typed);
      expect(field.cursor).toBeGreaterThanOrEqual(0);
      expect(field.cursor).toBeLessThanOrEqual([...field.text].length);
    }),
  );
});
