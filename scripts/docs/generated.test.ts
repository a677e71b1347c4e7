import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkoutRoot } from '../checkout.ts';
import { generatedDocs } from './generated.ts';

test('the reference says what the program does; if not, run npm run docs', async () => {
  for (const [path, text] of await generatedDocs()) {
    expect(readFileSync(join(checkoutRoot(), path), 'utf8'), path).toBe(text);
  }
});

test('the reference holds nothing of the machine that wrote it', async () => {
  for (const [path, text] of await generatedDocs()) {
    expect(text, path).not.toContain(checkoutRoot());
    expect(text, path).not.toMatch(/undefined|\[object /);
  }
});
