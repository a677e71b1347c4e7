import { expect, it } from 'vitest';
import { componentStatus } from '../../device/readings/component.testing.ts';
import { mergeComponents } from '../../device/readings/component-rows.ts';
import { keepSelection, shortImage } from './components.ts';

it('keeps the selection, or takes the neighbour of what is gone', () => {
  const rows = mergeComponents([], [componentStatus('a'), componentStatus('b'), componentStatus('c')]);
  expect(keepSelection(rows, rows, 'b')).toBe('b');
  expect(keepSelection(rows, rows.slice(0, 2), 'c')).toBe('b');
  expect(keepSelection([], rows, undefined)).toBe('a');
  expect(keepSelection(rows, [], 'a')).toBeUndefined();
});

it('shortens references', () => {
  expect(shortImage(`localhost:5000/team/web:2@sha256:${'0'.repeat(64)}`)).toBe('web:2');
  expect(shortImage('web:1')).toBe('web:1');
});
