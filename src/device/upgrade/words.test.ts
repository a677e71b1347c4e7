import { expect, it } from 'vitest';
import type { UpgradePart, UpgradePlan } from './plan.ts';
import { partWords, upgradeWords } from './words.ts';

const part = (name: string, method: UpgradePart['method'], bytes: number, wholeBytes: number, why?: string) => ({
  ...{ name, method, bytes, wholeBytes },
  ...(why !== undefined && { why }),
});
const plan = (method: UpgradePlan['method'], parts: UpgradePart[]): UpgradePlan => {
  const bytes = parts.reduce((sum, one) => sum + one.bytes, 0);
  return {
    image: { name: 'demo', id: 'abcdef01' },
    ...{ method, bytes, wholeBytes: 76e6, seconds: bytes / 11_000, parts },
    rate: { bytesPerSecond: 11_000, how: 'known' },
  };
};
const kernel = part('kernel', 'there', 0, 11.7e6);
const initrd = part('initrd.img', 'there', 0, 1.3e6);
const root = part('root.img', 'difference', 38_300, 63e6);

it('says what travels of an image, in which way, and how long it takes', () => {
  expect(upgradeWords(plan('written', []))).toBe('nothing to send, all of it is in its slot');
  expect(upgradeWords(plan('difference', [kernel, initrd, root]))).toBe(
    '38.3 kB instead of 76.0 MB: root.img as a difference, kernel and initrd.img not at all, about 3.5 s at 11.0 kB/s',
  );
  const wholeKernel = part('kernel', 'whole', 11.5e6, 11.7e6, 'the device has none');
  expect(upgradeWords(plan('difference', [wholeKernel, initrd, root]))).toBe(
    '11.5 MB instead of 76.0 MB: root.img as a difference, kernel whole, initrd.img not at all, about 17m28s at 11.0 kB/s',
  );
  const whole = part('root.img', 'whole', 76e6, 76e6);
  expect(upgradeWords(plan('whole', [whole]))).toBe('76.0 MB: the whole image, about 1h55m at 11.0 kB/s');
  expect([kernel, root, wholeKernel, whole].map(partWords)).toEqual([
    'kernel: the device has it',
    'root.img: 38.3 kB of 63.0 MB',
    'kernel: 11.5 MB of 11.7 MB (whole: the device has none)',
    'root.img: 76.0 MB',
  ]);
});
