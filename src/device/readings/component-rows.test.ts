import { describe, expect, it } from 'vitest';
import { componentStatus } from './component.testing.ts';
import { mergeComponents, uptimeText } from './component-rows.ts';

describe('mergeComponents', () => {
  it('puts system containers first, the kernel last', () => {
    const rows = mergeComponents(
      [],
      [
        componentStatus('k', { kind: 'kernel' }),
        componentStatus('i', { kind: 'init' }),
        componentStatus('dhcp'),
        componentStatus('web'),
      ],
    );
    expect(rows.map((row) => row.name)).toEqual(['dhcp', 'web', 'i', 'k']);
  });

  it('makes a CPU share of two readings of the same process', () => {
    const first = mergeComponents([], [componentStatus('web', { pid: 1, cpu: { usageNs: 0, atNs: 1e9 } })]);
    expect(first[0]?.cpuPercent).toBeUndefined();
    const second = mergeComponents(first, [componentStatus('web', { pid: 1, cpu: { usageNs: 5e8, atNs: 2e9 } })]);
    expect(second[0]?.cpuPercent).toBe(50);
    const restarted = mergeComponents(second, [componentStatus('web', { pid: 2, cpu: { usageNs: 1e6, atNs: 3e9 } })]);
    expect(restarted[0]?.cpuPercent).toBeUndefined();
  });

  it('lets no escape through', () => {
    const [row] = mergeComponents(
      [],
      [componentStatus('web\x1b]0;x\x07', { image: 'a\x1b[31m:1', detail: 'why\x1b[2J\u202e' })],
    );
    expect([row?.name, row?.image, row?.detail]).toEqual(['web', 'a:1', 'why<U+202E>']);
  });
});

it('tells how long a component has been running, and nothing when it is not', () => {
  // Whatever the device's clock says of when that was.
  const startedAt = '1970-01-01T00:00:09Z';
  expect(uptimeText(componentStatus('web', { startedAt, uptimeSeconds: 3723 }))).toBe('1h2m');
  expect(uptimeText(componentStatus('web', { uptimeSeconds: 3723, state: 'exited' }))).toBe('-');
  expect(uptimeText(componentStatus('web', { startedAt }))).toBe('-');
});
