import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OciUser } from './oci-spec.ts';

/**
 * The user an image runs as: `user[:group]` by name or number, looked up in the image's own /etc/passwd and /etc/group
 * (from its layers, top first, never through a link: a link could lead out of the image). Throws on an unknown name.
 */
export async function resolveUser(text: string | undefined, layers: string[]): Promise<OciUser> {
  const [user = '', group] = (text ?? '').split(':');
  if (user === '' && group === undefined) return { uid: 0, gid: 0 };
  const passwd = entries(await readFromLayers(layers, 'etc/passwd'));
  const groups = entries(await readFromLayers(layers, 'etc/group'));

  const account = passwd.find((fields) => fields[0] === user || (isNumber(user) && fields[2] === user));
  const uid = user === '' ? 0 : isNumber(user) ? Number(user) : Number(account?.[2] ?? Number.NaN);
  if (!Number.isInteger(uid)) throw new Error(`the image runs as user "${user}", which its /etc/passwd does not have`);

  if (group !== undefined) {
    const found = groups.find((fields) => fields[0] === group);
    const gid = isNumber(group) ? Number(group) : Number(found?.[2] ?? Number.NaN);
    if (!Number.isInteger(gid))
      throw new Error(`the image runs as group "${group}", which its /etc/group does not have`);
    return { uid, gid };
  }
  const name = account?.[0];
  const additionalGids = groups
    .filter((fields) => name !== undefined && (fields[3] ?? '').split(',').includes(name))
    .map((fields) => Number(fields[2]))
    .filter(Number.isInteger);
  return { uid, gid: Number(account?.[3] ?? 0) || 0, ...(additionalGids.length > 0 ? { additionalGids } : {}) };
}

const isNumber = (text: string) => /^\d+$/.test(text);

const entries = (text: string) => text.split('\n').map((line) => line.split(':'));

async function readFromLayers(layers: string[], path: string): Promise<string> {
  for (const layer of layers) {
    const file = join(layer, path);
    try {
      const stat = await lstat(file);
      return stat.isFile() && stat.size < 1 << 20 ? await readFile(file, 'utf8') : '';
    } catch {
      // Not in this layer: the next one down decides.
    }
  }
  return '';
}
