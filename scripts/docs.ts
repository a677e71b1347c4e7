/** `npm run docs`: writes what docs/reference/ has from the program itself. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkoutRoot } from './checkout.ts';
import { generatedDocs } from './docs/generated.ts';

const root = checkoutRoot();
for (const [path, text] of await generatedDocs()) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  console.error(`Wrote ${path}.`);
}
