import { describe, expect, it } from 'vitest';
import type { ComponentStatus } from '../../shared/api/types.ts';
import { mergeComponents, uptimeText } from './component-rows.ts';

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

it('tells how long a component has been running, and nothing when it is not', () => {
  // Whatever the device's clock says of when that was.
  const startedAt = '1970-01-01T00:00:09Z';
  expect(uptimeText(status('web', { startedAt, uptimeSeconds: 3723 }))).toBe('1h2m');
  expect(uptimeText(status('web', { uptimeSeconds: 3723, state: 'exited' }))).toBe('-');
  expect(uptimeText(status('web', { startedAt }))).toBe('-');
});
