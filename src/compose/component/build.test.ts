import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { OciLayout } from '../oci/layout.ts';
import { buildComponent } from './build.ts';

let base: string;
let layout: OciLayout;
let cache: string | undefined;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'gantry-build-'));
  layout = new OciLayout(join(base, 'oci'));
  cache = process.env.GANTRY_CACHE;
  process.env.GANTRY_CACHE = join(base, 'cache');
});

afterEach(() => {
  if (cache === undefined) delete process.env.GANTRY_CACHE;
  else process.env.GANTRY_CACHE = cache;
  rmSync(base, { recursive: true, force: true });
});

function write(path: string, text: string | Buffer): string {
  const whole = join(base, path);
  mkdirSync(join(whole, '..'), { recursive: true });
  writeFileSync(whole, text);
  return whole;
}

const build = (onRead?: (path: string) => void) => buildComponent(join(base, 'own'), 'amd64', { layout, onRead });

it('tells of every file that goes into an image or says what does, also when it does not build', async () => {
  const files = [
    write('below/recipe.yml', 'image: below:1\nfiles: [{ path: /conf, source: conf }]\n'),
    write('below/conf', 'x'),
    write('own/recipe.yml', 'image: own:1\nfrom: ../below\nbundles: [{ entry: main.ts, path: /main.mjs }]\n'),
    write('own/main.ts', "import { word } from '../shared/word.ts';\nconsole.log(word);\n"),
    write('shared/word.ts', "export const word: string = 'hello';\n"),
  ];
  const read = new Set<string>();
  await build((path) => read.add(path));
  expect([...read].sort()).toEqual(files.sort());

  const word = write('shared/word.ts', 'export const word = ;\n');
  read.clear();
  await expect(build((path) => read.add(path))).rejects.toThrow('cannot bundle');
  expect(read).toContain(word);

  write('own/recipe.yml', 'image: own:1\nfiles: [{ path: /a, source: missing }]\n');
  read.clear();
  await expect(build((path) => read.add(path))).rejects.toThrow('own/recipe.yml: cannot read the source of /a');
  expect(read).toContain(join(base, 'own/missing'));
});

it('finds a program without its libraries again after the layer of it has been looked at', async () => {
  // 64-bit, with one program header: the loader's name.
  const program = Buffer.alloc(256 << 10, Math.random().toString());
  program.fill(0, 0, 256);
  program.write('\x7fELF\x02\x01', 'latin1');
  program.writeBigUInt64LE(64n, 32);
  program.writeUInt16LE(56, 54);
  program.writeUInt16LE(1, 56);
  program.writeUInt32LE(3, 64);
  program.writeBigUInt64LE(128n, 72);
  program.write('/lib64/ld-linux-x86-64.so.2\0', 128, 'latin1');
  write('below/program', program);
  write('below/recipe.yml', 'image: below:1\nfiles: [{ path: /usr/bin/program, source: program }]\n');
  const own = (more: string) => write('own/recipe.yml', `image: own:1\nfrom: ../below\nfiles: [${more}]\n`);
  for (const text of ['1', '2']) {
    own(`{ path: /usr/share/text, contents: "${text}" }`);
    await expect(build()).rejects.toThrow('/usr/bin/program needs /lib64/ld-linux-x86-64.so.2');
  }
  own('{ path: /usr/lib64/ld-linux-x86-64.so.2, contents: "" }');
  expect((await build()).ref).toBe('own:1');
});
