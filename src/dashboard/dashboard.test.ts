import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { abruptWaysOut, leaveAndExpectGivenBack, startInShell, type WayOut } from '../../test/support/given-back.ts';
import type { TuiUnderTest } from '../../test/support/tui.ts';

const program = join(import.meta.dirname, '../../test/support/dashboard-fixture.ts');
/** The dashboard under a shell that says afterwards how it ended and in which state the terminal is. */
async function open(env: Record<string, string> = {}, columns = 120): Promise<TuiUnderTest> {
  const dashboard = await startInShell(program, { env, columns, rows: 34 });
  await dashboard.terminal.waitFor(/web +running/);
  return dashboard;
}

it('shows names, charts with legends, gauges, and what changes', async () => {
  await using dashboard = await open();
  const { terminal } = dashboard;
  const screen = await terminal.waitFor(/mosquitto +2\.5 %/);
  expect(screen).toMatch(/CPU % [\s\S]*Memory MB/);
  expect(screen).toMatch(/mosquitto +5\.3 MB/);
  expect(screen).toMatch(/Memory █+░+ +22 % 224 MB of 1\.0 GB/);
  expect(screen).toMatch(/NAME +STATE +HEALTH +RESTARTS +CPU % +MEMORY +UPTIME/);
  await terminal.waitFor(/[\u2801-\u28ff]/);
  await dashboard.device('change', 'web', { state: 'exited', exitCode: 137 });
  expect(await terminal.waitFor(/web running → exited \(137\)/)).toMatch(/web +exited \(137\)/);
});

it('says that the connection is lost, and goes on when it is back', async () => {
  await using dashboard = await open();
  const { terminal } = dashboard;
  await dashboard.device('lose', 'no answer', 3);
  await terminal.waitFor('Connection lost: no answer; attempt 3');
  await dashboard.device('comeBack');
  await terminal.waitForGone('Connection lost:');
  await dashboard.device('change', 'dhcp', { health: 'unhealthy' });
  await terminal.waitFor(/dhcp health none → unhealthy/);
});

it('takes names and reasons as text, never as commands', async () => {
  await using dashboard = await open();
  const { terminal } = dashboard;
  await dashboard.device('change', 'sshd', { name: 'ss{red-fg}{bold}\x1b]0;owned\x07\x1b[2Jhd{/}' });
  await dashboard.device('change', 'web', { state: 'failed', detail: '{inverse}why\x1b[?1049l\u202e{escape}' });
  const screen = await terminal.waitFor(/web running → failed: \{inverse\}why<\?*U\+202E>\{escape\}/);
  expect(screen).toMatch(/ss\{red-fg\}\{bold\}hd\{\/\} +running/);
  const written = terminal.written().toString('utf8');
  for (const forbidden of ['\x1b]', 'owned', '\u202e', '\x1b[1;31m', '\x1b[2Jhd']) {
    expect(written.includes(forbidden), JSON.stringify(forbidden)).toBe(false);
  }
  expect(terminal.modes().alternateScreen).toBe(true);
});

it('writes no colour with NO_COLOR', async () => {
  await using dashboard = await open({ NO_COLOR: '1' });
  await dashboard.terminal.waitFor(/[\u2801-\u28ff]/);
  const written = dashboard.terminal.written().toString('utf8');
  expect(written).not.toMatch(/\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m/);
});

it('has colours without it, and no complaint about the description of screen', async () => {
  await using dashboard = await open({ NO_COLOR: '', TERM: 'screen-256color', LANG: 'C' });
  const { terminal } = dashboard;
  await terminal.waitFor(/[\u2801-\u28ff]/);
  expect(terminal.written().toString('utf8')).toMatch(/\x1b\[[0-9;]*3[0-7]m/);
  terminal.type('q');
  expect(await terminal.waitFor('END')).not.toContain('Error');
});

it('fits any window', async () => {
  await using dashboard = await open();
  const { terminal } = dashboard;
  for (const [columns, rows] of [
    [40, 12],
    [3, 2],
    [61, 18],
    [200, 50],
  ] as const) {
    terminal.resize(columns, rows);
    await terminal.waitFor((screen) => screen.split('\n').length === rows && screen.trim() !== '');
  }
  await terminal.waitFor(/CPU %[\s\S]*[\u2801-\u28ff][\s\S]*web +running/);
});

describe('the terminal is given back', () => {
  const ways: WayOut[] = [
    ['q', ({ terminal }) => terminal.type('q'), /runDashboard has returned\s+ended with 0/],
    ['ctrl-c', ({ terminal }) => terminal.press('ctrl-c'), /runDashboard has returned\s+ended with 0/],
    ['escape', ({ terminal }) => terminal.press('escape'), /runDashboard has returned\s+ended with 0/],
    ...abruptWaysOut,
  ];

  it.each(ways)('after %s', async (...way) => {
    await using dashboard = await open();
    expect(await leaveAndExpectGivenBack(dashboard, way)).not.toContain('RESTARTS');
  });
});
