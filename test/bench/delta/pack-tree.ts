import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A folder as a layer's tar: in the order of names, owned by root. `time`: seconds, for all entries; else as they are. */
export async function packTree(tree: string, tar: string, time?: number): Promise<string> {
  const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--format=pax'];
  const plain = '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime';
  const times = time === undefined ? [] : [`--mtime=@${time}`];
  await promisify(execFile)('tar', [...same, plain, ...times, '-C', tree, '-cf', tar, '.']);
  return tar;
}
