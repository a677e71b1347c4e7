import { expect, test } from 'vitest';
import { imageBoards } from '../compose/image/boards.ts';
import { boardOfImage, boards } from './boards.ts';

test('an image boots on the board that it was composed for', () => {
  expect(boardOfImage({ arch: 'arm64', board: 'raspi3b' }).name).toBe('raspi3b');
  expect(boardOfImage({ arch: 'arm64', board: 'raspi3b' }, 'raspi3b').name).toBe('raspi3b');
  expect(boardOfImage({ arch: 'arm64' }).name).toBe('virt');
  expect(boardOfImage({ arch: 'amd64' }).name).toBe('pc');
});

test('and on no other, which lacks its boot loader or drivers', () => {
  expect(() => boardOfImage({ arch: 'arm64', board: 'virt' }, 'raspi3b')).toThrow(/gantry build … --board raspi3b/);
  expect(() => boardOfImage({ arch: 'arm64', board: 'virt' }, 'rasp')).toThrow(
    /Boards for it: virt, virt-uboot, raspi3b/,
  );
});

test('every board that images are composed for can be emulated, with the same console', () => {
  for (const { name, arch, console } of imageBoards) {
    const board = boards.find((candidate) => candidate.name === name);
    expect(board, name).toMatchObject({ arch, console: console.split(',')[0] });
  }
  expect(boards.length).toBe(imageBoards.length);
});
