import { expect, test } from 'vitest';
import { encodeSize } from '../link/console-protocol.ts';
import { terminalSize } from './terminal-size.ts';

test('any size that a terminal claims to have is one that a shell on a device takes', () => {
  expect(terminalSize({ columns: 132, rows: 43 })).toEqual({ columns: 132, rows: 43 });
  for (const claimed of [{}, { columns: 0, rows: 0 }, { columns: 65_535, rows: 65_535 }])
    expect(encodeSize(terminalSize(claimed)).length).toBeGreaterThan(0);
  expect(terminalSize({ columns: 0, rows: 0 })).toEqual({ columns: 80, rows: 24 });
});
