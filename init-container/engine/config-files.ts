import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigFile } from '../../src/shared/definition/component-config.ts';
import type { OciMount } from './oci-spec.ts';

/**
 * Writes the files of a component's configuration into a folder of theirs, and says how they are mounted: read-only, each
 * at its path. The container must not run: it would keep the old ones.
 */
export async function writeConfigFiles(folder: string, files: ConfigFile[]): Promise<OciMount[]> {
  await rm(folder, { recursive: true, force: true });
  if (files.length === 0) return [];
  await mkdir(folder, { mode: 0o700 });
  return Promise.all(
    files.map(async ({ path, contents, mode = '0644', uid = 0, gid = 0 }, index) => {
      const source = join(folder, String(index));
      await writeFile(source, contents, { mode: 0o600 });
      await chown(source, uid, gid);
      // After the owner: a change of it takes the setuid bit away.
      await chmod(source, Number.parseInt(mode, 8));
      return { destination: path, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev', 'rprivate'] };
    }),
  );
}
