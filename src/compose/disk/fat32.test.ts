import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ComposeError } from '../errors.ts';
import { shortNames } from './fat-names.ts';
import { readFat32 } from './fat-reader.testing.ts';
import { fat32 } from './fat32.ts';

const volume = { sectors: 80_000, hidden: 8192, label: 'TEST', serial: 0x1234 };

const name = fc
  .string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(...'abcXYZ019.-_~+ ') })
  .filter((text) => /^[^ .].*[^ .]$|^[^ .]$/.test(text));
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

/** Paths of which none is a folder of another, and which differ in more than case. */
function distinct(paths: string[]): string[] {
  const taken = new Set<string>();
  return paths.filter((candidate) => {
    const parts = candidate.toLowerCase().split('/');
    const prefixes = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
    const whole = prefixes.at(-1) ?? '';
    if (taken.has(whole) || prefixes.slice(0, -1).some((prefix) => taken.has(`file ${prefix}`))) return false;
    if (taken.has(`folder ${whole}`) || taken.has(`file ${whole}`)) return false;
    // A folder in two spellings would be two folders.
    for (const [index, prefix] of prefixes.slice(0, -1).entries()) {
      const spelled = candidate
        .split('/')
        .slice(0, index + 1)
        .join('/');
      if (taken.has(`folder ${prefix}`) && !taken.has(`spelled ${spelled}`)) return false;
    }
    for (const [index, prefix] of prefixes.slice(0, -1).entries()) {
      taken.add(`folder ${prefix}`);
      taken.add(
        `spelled ${candidate
          .split('/')
          .slice(0, index + 1)
          .join('/')}`,
      );
    }
    taken.add(`file ${whole}`);
    return true;
  });
}

describe('a FAT32 partition', () => {
  it('holds what was put in, whatever names and sizes', () => {
    const size = fc.oneof(fc.constantFrom(0, 1, 511, 512, 513, 1024), fc.nat(5000));
    fc.assert(
      fc.property(fc.array(fc.tuple(path, size), { maxLength: 30 }), (wanted) => {
        const sizes = new Map(wanted);
        const files = distinct([...sizes.keys()]).map((each, index) => ({
          path: each,
          content: Buffer.alloc(sizes.get(each) ?? 0, index + 1),
        }));
        const read = readFat32(fat32({ ...volume, files }));
        expect([...read.keys()].sort()).toEqual(files.map((file) => file.path).sort());
        for (const file of files) expect(read.get(file.path)?.equals(file.content)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('is the same whatever order the files come in', () => {
    const files = ['config.txt', 'extlinux/extlinux.conf', 'kernel'].map((each) => ({
      path: each,
      content: Buffer.from(each),
    }));
    expect(fat32({ ...volume, files: [...files].reverse() }).equals(fat32({ ...volume, files }))).toBe(true);
  });

  it('takes a file up to the last cluster, and refuses one that is larger', () => {
    const empty = fat32({ ...volume, files: [] });
    const free = empty.readUInt32LE(512 + 488);
    const file = (clusters: number) => [{ path: 'a', content: Buffer.alloc(clusters * 512, 7) }];
    expect(readFat32(fat32({ ...volume, files: file(free) })).get('a')?.length).toBe(free * 512);
    expect(fat32({ ...volume, files: file(free) }).length).toBeLessThanOrEqual(volume.sectors * 512);
    expect(() => fat32({ ...volume, files: file(free + 1) })).toThrow(/boot partition .* only 4\d MB/);
    expect(() => fat32({ ...volume, sectors: 60_000, files: [] })).toThrow(ComposeError);
  });

  it('gives every name of a folder a short one of its own', () => {
    const names = [
      'bcm2837-rpi-3-b.dtb',
      'bcm2837-rpi-3-b-plus.dtb',
      'KERNEL',
      'kernel8.img',
      'a.b.c',
      'extlinux.conf',
    ];
    const short = [...shortNames(names).values()].map((each) => each.short);
    expect(new Set(short).size).toBe(names.length);
    for (const each of short) expect(each).toMatch(/^[A-Z0-9_~ ]{11}$/);
    expect(shortNames(['KERNEL']).get('KERNEL')).toEqual({ short: 'KERNEL     ' });
  });
});
