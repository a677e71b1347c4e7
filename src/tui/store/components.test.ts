import { describe, expect, it } from 'vitest';
import type { ComponentStatus } from '../../shared/api/types.ts';
import { keepSelection, mergeComponents, shortImage } from './components.ts';

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

describe('mergeComponents', () => {
  it('puts system containers first, the kernel last', () => {
    const rows = mergeComponents(
      [],
      [status('k', { kind: 'kernel' }), status('i', { kind: 'init' }), status('dhcp'), status('web')],
    );
    expect(rows.map((row) => row.name)).toEqual(['dhcp', 'web', 'i', 'k']);
  });

  it('makes a CPU share of two readings of the same process', () => {
    const first = mergeComponents([], [status('web', { pid: 1, cpu: { usageNs: 0, atNs: 1e9 } })]);
    expect(first[0]?.cpuPercent).toBeUndefined();
    const second = mergeComponents(first, [status('web', { pid: 1, cpu: { usageNs: 5e8, atNs: 2e9 } })]);
    expect(second[0]?.cpuPercent).toBe(50);
    const restarted = mergeComponents(second, [status('web', { pid: 2, cpu: { usageNs: 1e6, atNs: 3e9 } })]);
    expect(restarted[0]?.cpuPercent).toBeUndefined();
  });

  it('lets no escape through', () => {
    const [row] = mergeComponents(
      [],
      [status('web\x1b]0;x\x07', { image: 'a\x1b[31m:1', detail: 'why\x1b[2J\u202e' })],
    );
    expect([row?.name, row?.image, row?.detail]).toEqual(['web', 'a:1', 'why<U+202E>']);
  });
});

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
