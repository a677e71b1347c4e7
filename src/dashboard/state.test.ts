import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { demoComponents } from '../../test/support/fake-device.ts';
import type { ConnectionState } from '../device/device.ts';
import type { ComponentStatus } from '../shared/api/types.ts';
import { roundMax, SeriesChooser } from './history.ts';
import { layoutFor } from './layout.ts';
import { terminalName } from './load-blessed.ts';
import { type DashboardState, initialState, withConnection, withEvent, withReading } from './state.ts';
import { plainCells, tagged } from './text.ts';

const start = initialState(
  { name: 'bench', connection: { current: { state: 'connected' }, subscribe: () => () => undefined } },
  0,
);

/** A reading at `second`, each container having used `share` of its time since the one before. */
function reading(second: number, share: (name: string) => number, change: Partial<ComponentStatus> = {}) {
  return demoComponents().map((row) => {
    const cpu = row.pid === undefined ? {} : { cpu: { usageNs: second * share(row.name) * 1e9, atNs: second * 1e9 } };
    return { ...row, ...cpu, ...(row.name === 'web' ? change : {}) };
  });
}

function words(state: DashboardState): string[] {
  return state.log.map(({ component, text }) => `${component} ${text}`);
}

describe('readings', () => {
  it('become samples of the system containers, once there is a CPU share', () => {
    const share = (name: string) => (name === 'web' ? 0.5 : 0.1);
    const once = withReading(start, reading(1, share), 1000);
    expect(once.samples).toEqual([]);
    const twice = withReading(once, reading(2, share), 2000);
    expect([...(twice.samples[0]?.usage.keys() ?? [])]).toEqual(['dhcp', 'sshd', 'mosquitto', 'web']);
    expect(twice.samples[0]?.usage.get('web')).toEqual({ cpuPercent: 50, memoryBytes: 54e5 });
    let state = twice;
    for (let second = 3; second < 300; second++) state = withReading(state, reading(second, share), second * 1000);
    expect(state.samples).toHaveLength(120);
    expect(state.samples.at(-1)?.at).toBe(299_000);
  });

  it('tell what changed, and nothing at first', () => {
    const idle = () => 0;
    const before = withReading(start, reading(1, idle), 1000);
    expect(words(before)).toEqual([]);
    const failed = {
      state: 'failed',
      detail: 'exit code 1',
      restarts: 1,
      health: 'unhealthy',
      image: 'web:2',
    } as const;
    const after = withReading(before, reading(2, idle, failed), 2000);
    expect(words(after)).toEqual([
      'web image web:1 → web:2',
      'web running → failed: exit code 1',
      'web restarted, once since boot',
      'web health healthy → unhealthy',
    ]);
    const gone = withReading(after, demoComponents().slice(0, -1), 3000);
    expect(words(gone).at(-1)).toBe('web is not there any more');
  });
});

it('logs events but not each health probe, and what becomes of the connection', () => {
  const event = (action: string) => ({ time: '', type: 'container', action, component: 'web' });
  let state = withEvent(withEvent(start, event('exec_start: true'), 1), event('die'), 2);
  const lost = (attempt: number): ConnectionState => ({ state: 'reconnecting', detail: 'no answer', attempt });
  for (const connection of [lost(0), lost(1), { state: 'connected' } as const]) {
    state = withConnection(state, connection, 3);
  }
  expect(words(state)).toEqual(['web container die', 'bench connection lost: no answer', 'bench connected again']);
});

it('shows the containers that use most, each in a colour of its own that it keeps', () => {
  const shares: Record<string, number> = { dhcp: 0.1, sshd: 0.9, mosquitto: 0.2, web: 0.8 };
  const states = [1, 2].reduce(
    (state, at) =>
      withReading(
        state,
        reading(at, (name) => shares[name] ?? 0),
        at,
      ),
    start,
  );
  const chooser = new SeriesChooser();
  const two = chooser.choose(states.samples, states.rows, 2);
  expect(two.map(({ name }) => name)).toEqual(['sshd', 'web']);
  const all = chooser.choose(states.samples, states.rows, 20);
  expect(new Set(all.map(({ color }) => color)).size).toBe(4);
  expect(all.find(({ name }) => name === 'web')?.color).toBe(two[1]?.color);
});

it('leaves a chart some room above its highest value, and a scale even if all are 0', () => {
  expect([[], [0], [4], [5], [85], [99], [4096]].map(roundMax)).toEqual([5, 5, 5, 10, 100, 200, 5000]);
});

it('never gives a chart less than its canvas needs, nor anything more than the window has', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.nat(100), fc.nat(60), (columns, rows, components) => {
      const { charts, ...rest } = layoutFor(columns, rows, components);
      for (const area of [...Object.values(rest), ...Object.values(charts ?? {})]) {
        expect(area.height).toBeGreaterThanOrEqual(0);
        if (area.height > 0 && rows > 4) expect(area.top + area.height).toBeLessThanOrEqual(rows);
        expect(area.left + area.width).toBeLessThanOrEqual(columns);
      }
      for (const chart of charts ? [charts.cpu, charts.memory] : []) {
        expect(chart.width * 2 - 12).toBeGreaterThan(10);
        expect(chart.height * 4 - 8).toBeGreaterThan(11);
      }
    }),
  );
});

describe('text', () => {
  it('has one cell for each unit, and no control character', () => {
    expect(plainCells('a\x1b[31m漢字\u0301e\u202e👍→…')).toBe('a[31m????e??→…');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(plainCells(text)).not.toMatch(/[\p{C}\p{M}]/u);
      }),
    );
  });

  it('keeps braces from being tags, and cuts before that', () => {
    expect(tagged([['{bold}x', 'plain']], 20, true)).toBe('{open}bold{close}x');
    expect(tagged([['{{{', 'bad']], 2, true)).toBe('{red-fg}{open}{open}{/red-fg}');
    expect(
      tagged(
        [
          ['up', 'bad'],
          ['!', 'alarm'],
        ],
        9,
        false,
      ),
    ).toBe('up{inverse}!{/inverse}');
  });
});

it('reads no terminal description that blessed cannot', () => {
  expect([undefined, 'dumb', 'screen', 'tmux-256color', 'screen.xterm-256color', 'linux'].map(terminalName)).toEqual([
    'xterm',
    'xterm',
    'xterm',
    'xterm-256color',
    'xterm-256color',
    'linux',
  ]);
});
