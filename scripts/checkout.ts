import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The root of the checkout that this code was taken from, whether it runs from its source or from a bundle under dist/.
 * Throws when there is none around it.
 */
export function checkoutRoot(): string {
  for (let dir = import.meta.dirname; dir !== dirname(dir); dir = dirname(dir)) {
    if (existsSync(join(dir, 'package-lock.json')) && existsSync(join(dir, 'images'))) return dir;
  }
  throw new Error(`Gantry runs from a git checkout, and ${import.meta.dirname} is not in one.`);
}
