import { expect, it } from 'vitest';
import { mergeComponents } from '../../device/readings/component-rows.ts';
import type { ComponentStatus } from '../../shared/api/types.ts';
import { keepSelection, shortImage } from './components.ts';

const digest = `sha256:${'0'.repeat(64)}` as const;
function status(name: string, change: Partial<ComponentStatus> = {}): ComponentStatus {
  return {
    name,
    kind: 'service',
    image: `${name}:1`,
    digest,
    state: 'running',
    health: 'none',
    restarts: 0,
    ...change,
  };
}

it('keeps the selection, or takes the neighbour of what is gone', () => {
  const rows = mergeComponents([], [status('a'), status('b'), status('c')]);
  expect(keepSelection(rows, rows, 'b')).toBe('b');
  expect(keepSelection(rows, rows.slice(0, 2), 'c')).toBe('b');
  expect(keepSelection([], rows, undefined)).toBe('a');
  expect(keepSelection(rows, [], 'a')).toBeUndefined();
});

it('shortens references', () => {
  expect(shortImage(`localhost:5000/team/web:2@${digest}`)).toBe('web:2');
  expect(shortImage('web:1')).toBe('web:1');
});
