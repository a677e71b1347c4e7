import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootedAs, slotCommandLine } from './command-line.ts';
import { Slots } from './slots.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'gantry-slots-'));
});
afterEach(() => rmSync(data, { recursive: true }));

const fromDisk = 'console=ttyS0 gantry.image=1111 panic=10\n';
const open = (cmdline = fromDisk) => new Slots(cmdline, data);
const fill = async (folder: string) => {
  for (const name of ['kernel', 'initrd.img']) await writeFile(join(folder, name), name);
};
const inState = (name: string) => readFileSync(join(data, 'boot', name), 'utf8').trim();

describe('command lines', () => {
  it('of a slot name it and the image that starts it, once, and keep everything else', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z0-9=.,]+$/)), fc.constantFrom('a', 'b'), (words, slot) => {
        const line = slotCommandLine([...words, 'gantry.image=1111', 'gantry.slot=x'].join('  '), slot, '2222');
        expect(slotCommandLine(line, slot, '2222')).toBe(line);
        expect(bootedAs(line)).toEqual({ image: '1111', loader: '2222', slot });
        for (const word of words) if (!/^gantry\./.test(word)) expect(line.split(' ')).toContain(word);
      }),
    );
  });

  it('of no image are known as such', () => {
    expect(bootedAs('quiet root=/dev/sda1')).toBeUndefined();
    expect(() => open('quiet')).toThrow('does not say which image');
  });
});

describe('slots', () => {
  it('are filled where nothing is in use, and say what is in them', async () => {
    const slots = open();
    expect([slots.running, await slots.current(), slots.ownContent]).toEqual(['factory', 'factory', 'factory']);
    expect(await slots.write('1111.kernel', undefined, fill)).toBe('a');
    expect(await slots.find('1111.kernel')).toBe('a');
    expect(inState('a/cmdline')).toBe('console=ttyS0 gantry.image=1111 panic=10 gantry.slot=a gantry.loader=1111');
    await slots.keep('a');
    // The image on the disk runs, the slot a starts next: neither may be overwritten.
    expect(await slots.write('1111.other', undefined, fill)).toBe('b');
    const fromB = open(inState('b/cmdline'));
    expect(fromB.running).toBe('b');
    await expect(fromB.write('x', undefined, fill)).rejects.toThrow('both slots are in use');
    expect(readdirSync(join(data, 'boot')).sort()).toEqual(['a', 'b', 'current', 'previous']);
  });

  it('of which a power cut left a part are not whole', async () => {
    const slots = open();
    await slots.write('1111.kernel', undefined, fill);
    expect([await slots.findWhole('1111.kernel'), await slots.findWhole('factory')]).toEqual(['a', 'factory']);
    writeFileSync(join(data, 'boot/a/kernel'), 'Kernel');
    expect([await slots.find('1111.kernel'), await slots.findWhole('1111.kernel')]).toEqual(['a', undefined]);
    rmSync(join(data, 'boot/a/kernel'));
    expect(await slots.findWhole('1111.kernel')).toBeUndefined();
    expect(await slots.findWhole('1111.other')).toBeUndefined();
  });

  it('are filled one at a time', async () => {
    const slots = open();
    const refused: string[] = [];
    await slots.write('x', undefined, async (folder) => {
      await slots.write('y', undefined, fill).catch((error: Error) => refused.push(error.message));
      await fill(folder);
    });
    expect([refused, await slots.contentOf('a')]).toEqual([[expect.stringMatching('just now')], 'x']);
    expect(await slots.write('y', undefined, fill)).toBe('a');
  });

  it('leave nothing behind when they cannot be filled', async () => {
    await expect(open().write('x', undefined, () => Promise.reject(new Error('full')))).rejects.toThrow('full');
    expect(readdirSync(join(data, 'boot'))).toEqual([]);
  });

  it('of another image on the disk count as empty', async () => {
    await open().write('1111.kernel', undefined, fill);
    const other = open('gantry.image=3333');
    expect([await other.contentOf('a'), await other.find('1111.kernel')]).toEqual([undefined, undefined]);
    expect([await open().images(), await other.images()]).toEqual([['1111'], ['3333']]);
    await open().write('2222', undefined, fill);
    expect(await open().images()).toEqual(['1111', '2222']);
  });

  it('are on trial until they are kept, and what is overwritten is no longer gone back to', async () => {
    const slots = open();
    await slots.write('x', undefined, fill);
    await slots.try('a');
    expect([await slots.onTrial(), await slots.current()]).toEqual(['a', 'factory']);
    await slots.keep('a');
    expect([await slots.onTrial(), await slots.current(), inState('previous')]).toEqual([undefined, 'a', 'factory']);
    const fromA = open(inState('a/cmdline'));
    await fromA.write('y', undefined, fill);
    await fromA.try('b');
    await fromA.keep('b');
    expect(inState('previous')).toBe('a');
    await open(inState('b/cmdline')).write('z', undefined, fill);
    expect(inState('previous')).toBe('factory');
  });

  it('say why a trial was given up, and count starts until one is healthy', async () => {
    const slots = open();
    await slots.try('b');
    await slots.giveUp('b', 'web: not healthy\nin time');
    expect([await slots.onTrial(), await slots.failure()]).toEqual([
      undefined,
      { about: 'b', words: 'web: not healthy in time' },
    ]);
    writeFileSync(join(data, 'boot', 'starts'), '2\n');
    await slots.noteHealthy();
    expect(readdirSync(join(data, 'boot'))).not.toContain('starts');
  });
});
