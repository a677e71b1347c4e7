import { readFileSync } from 'node:fs';
import { devicePaths } from '../device-paths.ts';
import { type Access, accessSchema, defaultAccess } from './access.ts';

/** What the OS definition allows. An image of an older version says nothing. Throws on a damaged file. */
export function readAccess(path: string = devicePaths.access): Access {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return defaultAccess;
    throw error;
  }
  return accessSchema.parse(JSON.parse(text));
}
