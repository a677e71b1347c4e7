import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The full path of a program. Looks in the folders for administrators too, which a user's PATH lacks on Debian.
 * Throws an error that names the Debian package when it is not installed.
 */
export function findProgram(program: string, debianPackage: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder === '') continue;
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this one
    }
  }
  throw new Error(
    `The program ${program} is not installed. On Debian and Ubuntu: sudo apt-get install --no-install-recommends ${debianPackage}`,
  );
}
