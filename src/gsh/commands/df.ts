import { readFile, statfs } from 'node:fs/promises';
import type { Command } from 'commander';
import { addJsonOption, printJson, table } from '../../cli/output.ts';
import { formatBytes } from '../../shared/text/format.ts';

interface FileSystem {
  path: string;
  type: string;
  source: string;
  totalBytes: number;
  usedBytes: number;
  freeBytes: number;
}

export function register(program: Command): void {
  const command = program
    .command('df')
    .summary('room on the file systems')
    .description('Shows the file systems of the device that hold files, and how full they are.');
  addJsonOption(command).action(async (options: { json?: boolean }) => {
    const all = await Promise.all(mountsIn(await readFile('/proc/self/mounts', 'utf8')).map(measure));
    const found = all.filter((one) => one !== undefined);
    if (options.json) printJson(found);
    else process.stdout.write(`${fileSystemTable(found)}\n`);
  });
}

/** Those that hold files of their own: not the views that containers have of them, not the kernel's. */
export function mountsIn(text: string): { path: string; type: string; source: string }[] {
  const mounts = text.split('\n').flatMap((line) => {
    const [source = '', path = '', type = ''] = line.split(' ').map(unescaped);
    const holds = /^(ext[234]|vfat|squashfs|erofs|tmpfs|btrfs|xfs|f2fs|nfs4?)$/.test(type) || path === '/';
    return holds && !/^\/run\/gantry\/.|^\/(dev|sys|proc)\//.test(path) ? [{ source, path, type }] : [];
  });
  // What is mounted over another hides it.
  return [...new Map(mounts.map((mount) => [mount.path, mount])).values()];
}

/** Spaces and the like, as the kernel writes them there. */
function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

async function measure(mount: ReturnType<typeof mountsIn>[number]): Promise<FileSystem | undefined> {
  const { bsize, blocks, bfree, bavail } = await statfs(mount.path).catch(() => ({
    bsize: 0,
    blocks: 0,
    bfree: 0,
    bavail: 0,
  }));
  if (blocks === 0) return undefined;
  return { ...mount, totalBytes: blocks * bsize, usedBytes: (blocks - bfree) * bsize, freeBytes: bavail * bsize };
}

function fileSystemTable(systems: FileSystem[]): string {
  const rows = systems.map(({ path, type, source, totalBytes, usedBytes, freeBytes }) => [
    path,
    type,
    source,
    ...[totalBytes, usedBytes, freeBytes].map(formatBytes),
    `${Math.round((100 * usedBytes) / totalBytes)} %`,
  ]);
  return table(['MOUNTED ON', 'TYPE', 'SOURCE', 'SIZE', 'USED', 'FREE', 'FULL'], rows);
}
