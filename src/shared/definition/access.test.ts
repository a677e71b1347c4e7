import { expect, test } from 'vitest';
import { accessSchema, defaultAccess } from './access.ts';
import { readAccess } from './read-access.ts';

const hash = `$6$abc$${'a'.repeat(86)}`;

test('a password is a hash, never a word', () => {
  expect(accessSchema.parse({ console: 'password', password: hash, root_shell: true }).password).toBe(hash);
  expect(accessSchema.safeParse({ console: 'password', password: 'secret', root_shell: true }).success).toBe(false);
});

test('an image of an older version says nothing and is open', () => {
  expect(readAccess('/nonexistent/access.json')).toEqual(defaultAccess);
});
