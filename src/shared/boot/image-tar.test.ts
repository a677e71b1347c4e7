import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bufferSource, readExactly } from '../delta/byte-source.ts';
import { decodeRecipe, encodeRecipe, recipeOf, tarSize } from '../delta/recipe.ts';
import { digestOf } from '../oci/digest.ts';
import { imageRecipe, imageTar } from './image-tar.ts';

const contents = { kernel: 'a kernel', 'initrd.img': 'x'.repeat(512), 'root.img': 'y'.repeat(70_001) };
const files = Object.entries(contents).map(([name, text]) => ({ name, size: text.length, digest: digestOf(text) }));
const recipe = imageRecipe(files);
const tar = () =>
  imageTar(
    recipe,
    Object.values(contents).map((text) => bufferSource(Buffer.from(text))),
  );
const bytesOf = async () => readExactly(tar(), 0, tar().size, 'the tar');

it('makes one tar of the same files, whose recipe is known without it', async () => {
  const bytes = await bytesOf();
  expect(bytes.length).toBe(tarSize(recipe));
  const split = await recipeOf(
    (async function* () {
      yield bytes;
    })(),
  );
  expect(split).toEqual(recipe);
  expect(split && encodeRecipe(split).equals(encodeRecipe(recipe))).toBe(true);
  // Host and device may be of different versions: these bytes must stay.
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(
    'f93ac00786116af61b64f2028bef455e16edd1ce667154f6bc87262f639ac431',
  );
});

it('makes a tar that others read', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-tar-'));
  try {
    writeFileSync(join(dir, 'image.tar'), await bytesOf());
    const list = execFileSync('tar', ['-tvf', 'image.tar', '--numeric-owner', '--utc'], { cwd: dir, encoding: 'utf8' });
    expect(
      list
        .trim()
        .split('\n')
        .map((line) => line.replace(/ +/g, ' ')),
    ).toEqual(files.map(({ name, size }) => `-rw-r--r-- 0/0 ${size} 1970-01-01 00:00 ${name}`));
    for (const [name, text] of Object.entries(contents))
      expect(execFileSync('tar', ['-xOf', 'image.tar', name], { cwd: dir, encoding: 'utf8' })).toBe(text);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('has room for files of more than 8 GiB', async () => {
  const size = 9 * 2 ** 30;
  const large = imageRecipe([{ name: 'root.img', size, digest: digestOf('') }]);
  expect(decodeRecipe(encodeRecipe(large))).toEqual(large);
});
