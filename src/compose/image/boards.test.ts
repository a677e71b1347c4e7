import { expect, test } from 'vitest';
import { imageBoard } from './boards.ts';

test('a board is found by its name, or as the first of an architecture', () => {
  expect(imageBoard({ board: 'raspi3b' })).toMatchObject({ arch: 'arm64', loader: 'raspberry-pi' });
  expect(imageBoard({ arch: 'arm64' }).name).toBe('virt');
  expect(imageBoard({ arch: 'amd64' }).name).toBe('pc');
});

test('a wrong one is an error that says what there is', () => {
  expect(() => imageBoard({ board: 'raspi3' })).toThrow(/no board raspi3; .*nearest: raspi3b/);
  expect(() => imageBoard({ arch: 'amd64', board: 'raspi3b' })).toThrow(/raspi3b is arm64, and --arch says amd64/);
});
