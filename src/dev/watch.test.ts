import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SourceWatch } from './watch.ts';

let base: string;
let root: string;
let watching: SourceWatch;
let seen: string[];
let wake: () => void;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'gantry-watch-')));
  root = join(base, 'component');
  mkdirSync(join(root, 'src/deep'), { recursive: true });
  mkdirSync(join(root, 'node_modules/x'), { recursive: true });
  mkdirSync(join(root, '.git'));
  writeFileSync(join(root, 'recipe.yml'), 'image: x:1\n');
  writeFileSync(join(root, 'src/deep/a.js'), '1');
  seen = [];
  wake = () => undefined;
  watching = new SourceWatch(root, (path) => {
    seen.push(relative(base, path));
    wake();
  });
});

afterEach(() => {
  watching.close();
  rmSync(base, { recursive: true, force: true });
});

/** Resolves when all of these were seen; forgets what was. */
async function saw(...paths: string[]): Promise<string[]> {
  while (!paths.every((path) => seen.includes(path))) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  return seen.splice(0);
}

/** Everything before this has been told when this is. */
async function nothingElse(): Promise<string[]> {
  writeFileSync(join(root, 'end'), '');
  const all = await saw('component/end');
  return all.filter((path) => path !== 'component/end');
}

describe('a watched folder', () => {
  it('tells of files that are written, renamed over, made and removed, in all folders', async () => {
    writeFileSync(join(root, 'src/deep/a.js'), '2');
    await saw('component/src/deep/a.js');
    writeFileSync(join(root, 'src/.a.js.new~'), '3');
    renameSync(join(root, 'src/.a.js.new~'), join(root, 'src/deep/a.js'));
    expect(await saw('component/src/deep/a.js')).not.toContain('component/src/.a.js.new~');
    writeFileSync(join(root, 'src/b.js'), '');
    await saw('component/src/b.js');
    rmSync(join(root, 'src/b.js'));
    await saw('component/src/b.js');
  });

  it('tells of what is in folders that come, and of what is written there later', async () => {
    mkdirSync(join(base, 'elsewhere/more'), { recursive: true });
    writeFileSync(join(base, 'elsewhere/more/c.js'), '');
    renameSync(join(base, 'elsewhere'), join(root, 'lib'));
    await saw('component/lib/more/c.js');
    writeFileSync(join(root, 'lib/more/c.js'), '2');
    await saw('component/lib/more/c.js');
    rmSync(join(root, 'lib'), { recursive: true });
    await saw('component/lib');
    mkdirSync(join(root, 'lib'));
    writeFileSync(join(root, 'lib/d.js'), '');
    await saw('component/lib/d.js');
  });

  it('passes over what no recipe uses and what editors leave beside a file', async () => {
    for (const name of ['node_modules/x/index.js', '.git/HEAD', '.a.swp', 'a~', '4913', '.#a', '#a#']) {
      writeFileSync(join(root, name), '');
    }
    mkdirSync(join(root, 'empty'));
    expect(await nothingElse()).toEqual([]);
  });

  it('sees it when it is taken away and made again, as by a checkout', async () => {
    rmSync(root, { recursive: true });
    await saw('component');
    mkdirSync(join(root, 'src'), { recursive: true });
    writeFileSync(join(root, 'recipe.yml'), '');
    await saw('component/recipe.yml');
    writeFileSync(join(root, 'src/new.js'), '');
    await saw('component/src/new.js');
  });

  it('is not woken by being read', async () => {
    execFileSync('grep', ['-r', 'image', root]);
    expect(await nothingElse()).toEqual([]);
  });

  it('does not watch the folders that it passes over', () => {
    // The folder, src and src/deep.
    expect(watching.folders).toBe(3);
  });
});

describe('a single file', () => {
  it('is watched wherever it is, before it exists, and nothing beside it', async () => {
    mkdirSync(join(base, 'shared'));
    watching.addFile(join(base, 'shared/boot'));
    writeFileSync(join(base, 'shared/other'), '');
    writeFileSync(join(base, 'shared/boot'), '');
    expect(await saw('shared/boot')).not.toContain('shared/other');
  });

  it('counts whatever its name is', async () => {
    watching.addFile(join(root, 'node_modules/x/index.js'));
    watching.addFile(join(root, 'notes~'));
    writeFileSync(join(root, 'node_modules/x/index.js'), '');
    writeFileSync(join(root, 'notes~'), '');
    await saw('component/node_modules/x/index.js', 'component/notes~');
  });

  it('is also what a link leads to', async () => {
    mkdirSync(join(base, 'target'));
    writeFileSync(join(base, 'target/real.js'), '');
    symlinkSync('../target/real.js', join(root, 'link.js'));
    await saw('component/link.js');
    watching.addFile(join(root, 'link.js'));
    writeFileSync(join(base, 'target/real.js'), '2');
    await saw('target/real.js');
  });
});
