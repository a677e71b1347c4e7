import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleForTerminal } from '../../test/support/bundle.ts';
import type { TerminalOptions } from '../../test/support/terminal.ts';
import { TuiUnderTest } from '../../test/support/tui.ts';

let program = '';
beforeAll(async () => {
  program = await bundleForTerminal(join(import.meta.dirname, '../../test/support/tui-fixture.tsx'));
});
afterAll(async () => {
  // Without a program there is no folder of ours.
  if (program !== '') await rm(dirname(program), { recursive: true, force: true });
});

/** The UI with its table on the screen. `CI` is set, as it is where these tests run: the UI must not care. */
async function open(options: TerminalOptions = {}): Promise<TuiUnderTest> {
  const tui = await TuiUnderTest.start(program, {
    ...options,
    env: { CI: 'true', NO_COLOR: undefined, ...options.env },
  });
  await tui.terminal.waitFor(/web +web:1 +running +healthy/);
  return tui;
}

/** Moves the selection to `name`. */
async function select(tui: TuiUnderTest, name: string): Promise<void> {
  const order = ['dhcp', 'sshd', 'mosquitto', 'web', 'init', 'base', 'kernel'];
  tui.terminal.type(`g${'j'.repeat(order.indexOf(name))}`);
  await tui.terminal.waitFor(new RegExp(`▸ ${name} `));
}

describe('what is known of the device', () => {
  it('is shown, with what could be removed and what became of an upgrade', async () => {
    await using tui = await open();
    const { terminal } = tui;
    const storage = { totalBytes: 250e6, freeBytes: 100e6, reclaimableBytes: 12.3e6, quarantinedBytes: 0 };
    await tui.device('tell', {
      infoMore: { storage },
      garbage: { items: [{ kind: 'image', name: 'web:2', bytes: 12.3e6 }], bytes: 12.3e6 },
      upgradeState: { id: 'abcdef01', name: 'demo2', state: 'failed', detail: 'it did not\x1b]0;x\x07 start' },
    });
    terminal.type('I');
    const screen = await terminal.waitFor('"gantry gc" would free 12.3 MB\n');
    expect(screen).toMatch(/upgrade +demo2 \(abcdef01\) failed: it did not start/);
    expect(screen).toMatch(/storage +100 MB free of 250 MB/);
    expect(screen).toMatch(/watchdog +none/);
    expect(screen).toMatch(/image +12\.3 MB {2}web:2/);
    terminal.type('q');
    await terminal.waitFor(/▸ dhcp/);
  });

  it('says at the top that the watchdog is not fed', async () => {
    await using tui = await open();
    const watchdog = { device: '/dev/watchdog0', timeoutSeconds: 60, feeding: false, reason: 'web is ill' };
    await tui.device('tell', { infoMore: { watchdog } });
    // A shell that has been left asks for everything anew.
    tui.terminal.type('!');
    await tui.terminal.waitFor('shell on the device');
    tui.terminal.press('ctrl-d');
    await tui.terminal.waitFor(/watchdog not fed: web is ill: I tells more · revision 1/);
  });
});

describe('the table of components', () => {
  it.each([
    [80, 24],
    [120, 40],
  ])('fits %d×%d', async (columns, rows) => {
    await using tui = await open({ columns, rows });
    const { terminal } = tui;
    await terminal.waitFor(/web +web:1 +running +healthy +1h\d*m? +0 +2\.5 +5\.4 MB/);
    const screen = terminal.rows();
    expect(screen).toHaveLength(rows);
    expect(screen[0]).toMatch(/^ Gantry bench +● connected$/);
    expect(screen[1]).toMatch(/revision 1 · arm64 · Linux 6\.12\.48 · up 1h2m · memory 224 MB of 1\.0 GB/);
    expect(screen[2]).toMatch(/NAME +IMAGE +STATE +HEALTH +UPTIME +RST +CPU % +MEMORY/);
    const names = screen.slice(3, 10).map((row) => row.slice(2).split(' ')[0]);
    expect(names).toEqual(['dhcp', 'sshd', 'mosquitto', 'web', 'init', 'base', 'kernel']);
    for (const hint of ['? help', 'q quit', 'l logs', 'r restart', 'x swap', 'b rollback', 'e shell', '! device']) {
      expect(screen.slice(-2).join('')).toContain(hint);
    }
  });

  it('moves the selection, several keys in one packet too', async () => {
    await using tui = await open();
    const { terminal } = tui;
    terminal.type('jj');
    await terminal.waitFor(/▸ mosquitto/);
    terminal.press('up');
    await terminal.waitFor(/▸ sshd/);
    terminal.type('G');
    await terminal.waitFor(/▸ kernel/);
    terminal.type('r');
    await terminal.waitFor('kernel is no system container');
  });

  it('says when the terminal is too small, and survives a storm of sizes', async () => {
    await using tui = await open();
    const { terminal } = tui;
    terminal.resize(40, 12);
    await terminal.waitFor(/too small\s+\(40×12; it needs 72×16\)/);
    for (let size = 0; size < 30; size++) terminal.resize(60 + size * 2, 14 + size);
    terminal.resize(100, 30);
    await terminal.waitFor((screen) => /● connected/.test(screen) && screen.split('\n')[0]?.trimEnd().length === 99);
    expect(terminal.rows().filter((row) => row.includes('NAME'))).toHaveLength(1);
  });

  it('writes no colour with NO_COLOR', async () => {
    await using tui = await open({ env: { NO_COLOR: '1' } });
    await tui.device('log', 'web', ['\x1b[31mred\x1b[0m line']);
    await select(tui, 'web');
    tui.terminal.type('l');
    await tui.terminal.waitFor('red line');
    expect(tui.terminal.written().toString()).not.toMatch(/\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])m/);
  });

  it('shows what changes', async () => {
    await using tui = await open();
    await tui.device('change', 'web', { health: 'unhealthy' });
    await tui.terminal.waitFor(/web +web:1 +running +unhealthy/);
  });
});

describe('logs', () => {
  it('follows, pauses, resumes', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('burst', 'web', 100);
    await select(tui, 'web');
    terminal.press('enter');
    await terminal.waitFor(/log of web: following[\s\S]*burst line 99/);
    await tui.device('log', 'web', ['one more']);
    await terminal.waitFor('one more');
    terminal.type('k');
    await terminal.waitFor(/paused, 101 lines; G follows/);
    await tui.device('log', 'web', ['while paused']);
    await terminal.waitFor(/paused, 102 lines/);
    expect(terminal.screen()).not.toContain('while paused');
    terminal.type('G');
    await terminal.waitFor('while paused');
    terminal.type('g');
    await terminal.waitFor(/burst line 0\n/);
    terminal.press('escape');
    await terminal.waitFor('NAME');
  });

  it('shows what the kernel says; the files of the root image say nothing', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('log', 'kernel', ['Linux version 6.12.48']);
    await select(tui, 'kernel');
    terminal.type('l');
    await terminal.waitFor(/log of kernel: following[\s\S]*Linux version 6\.12\.48/);
    terminal.press('escape');
    await terminal.waitFor('NAME');
    await select(tui, 'base');
    terminal.type('l');
    await terminal.waitFor('base is files of the root image: no log');
  });

  it('searches', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('log', 'web', ['GET /first', ...Array.from({ length: 50 }, (_, i) => `filler ${i}`), 'GET /last']);
    await select(tui, 'web');
    terminal.type('l');
    await terminal.waitFor('GET /last');
    terminal.type('/get');
    await terminal.waitFor('search: get');
    terminal.press('enter');
    await terminal.waitFor('"get" 2 of 2');
    terminal.type('n');
    await terminal.waitFor(/"get" 1 of 2[\s\S]*GET \/first/);
    terminal.type('N');
    await terminal.waitFor(/"get" 2 of 2[\s\S]*GET \/last/);
    terminal.type('/q\x15nothing\r');
    await terminal.waitFor('"nothing" is not in the log');
  });

  it('wraps and shows timestamps', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('log', 'web', [`${'x'.repeat(100)}END`]);
    await select(tui, 'web');
    terminal.type('l');
    await terminal.waitFor(/^x{80}$/m);
    terminal.type('w');
    await terminal.waitFor(/^x{80}\nx{20}END$/m);
    terminal.type('t');
    await terminal.waitFor(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} x+$/m);
  });

  it('goes on after the connection was lost, with a divider and without a line twice', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('log', 'web', ['before']);
    await select(tui, 'web');
    terminal.type('l');
    await terminal.waitFor('before');
    await tui.device('lose', 'no answer for 10 s', 3);
    await terminal.waitFor('Connection lost: no answer for 10 s; attempt 3');
    await tui.device('log', 'web', ['meanwhile']);
    await tui.device('comeBack');
    await terminal.waitFor(/before\n── reconnected after \d+s ──\nmeanwhile/);
    await terminal.waitForGone('Connection lost');
    expect(terminal.screen().match(/before/g)).toHaveLength(1);
  });

  it('goes on when the component is started again', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('log', 'web', ['first life']);
    await select(tui, 'web');
    terminal.type('l');
    await terminal.waitFor('first life');
    await tui.device('change', 'web', { state: 'exited' });
    await terminal.waitFor('the log has ended: web is exited');
    await tui.device('change', 'web', { state: 'running', startedAt: '2026-11-22T10:00:00Z' });
    await tui.device('log', 'web', ['second life']);
    await terminal.waitFor(/first life\n── web again ──\nsecond life/);
  });

  it('takes 100,000 lines, says what it dropped, and still obeys', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('l');
    await terminal.waitFor('log of web: following');
    for (let burst = 0; burst < 5; burst++) await tui.device('burst', 'web', 20_000, 250);
    await terminal.waitFor(/[1-9]\d+ older lines dropped · 100000 lines/);
    terminal.type('k');
    await terminal.waitFor('paused');
    expect(terminal.written().includes('\x1b[3J')).toBe(false);
  });
});

describe('what changes the device', () => {
  it('restarts after asking; Cancel is the default', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('r');
    await terminal.waitFor(/Restart web\?[\s\S]*\[ Cancel ]/);
    terminal.press('enter');
    await terminal.waitForGone('Restart web?');
    expect(await tui.device('calls')).toEqual([]);
    terminal.type('r');
    await terminal.waitFor('[ Cancel ]');
    terminal.press('right');
    await terminal.waitFor('[ Restart ]');
    terminal.press('enter');
    await terminal.waitFor(/web restarted in/);
    expect(await tui.device('calls')).toEqual(['restart web']);
  });

  it('warns before it cuts its own branch', async () => {
    await using tui = await open();
    await select(tui, 'sshd');
    tui.terminal.type('s');
    await tui.terminal.waitFor('it may drop and not come back');
    tui.terminal.type('n');
    await tui.terminal.waitForGone('Stop sshd?');
    expect(await tui.device('calls')).toEqual([]);
  });

  it('stops and starts', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('sy');
    await terminal.waitFor(/▸ web +web:1 +exited/);
    terminal.type('e');
    await terminal.waitFor('web is not running (exited)');
    terminal.type('Sy');
    await terminal.waitFor(/▸ web +web:1 +running/);
    expect(await tui.device('calls')).toEqual(['stop web', 'start web']);
  });

  it('swaps and shows the stages as they come', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('hold');
    await select(tui, 'web');
    terminal.type('x');
    await terminal.waitFor(/swap web {2}now web:1[\s\S]*web:bad[\s\S]*web:0[\s\S]*web:at-hand/);
    terminal.type('web:2');
    await terminal.waitFor('image: web:2');
    terminal.press('enter');
    await terminal.waitFor(
      /Swap web\?[\s\S]*web:1 → web:2[\s\S]*Sends 12\.0 MB, replaces web \(stop-start\), see that web stays healthy[\s\S]*web:1 runs again/,
    );
    terminal.type('y');
    await terminal.waitFor(
      /▶ stage .*\[█{20}] 100 % {2}12\.0 MB of 12\.0 MB[\s\S]* {3}stop\n {3}start\n {3}probe\n {3}stable\n {3}commit/,
    );
    await tui.device('step');
    await terminal.waitFor(/✓ stage[\s\S]*▶ stop .*stopping web/);
    terminal.type('q');
    await terminal.waitFor('swap web to web:2 is under way: p shows it');
    terminal.type('x');
    await terminal.waitFor('swap web to web:2 is still under way');
    terminal.type('p');
    await terminal.waitFor('▶ stop');
    await tui.device('release');
    await terminal.waitFor(/✓ commit[\s\S]*done {2}\(revision 2, down for 840 ms\)/);
    terminal.press('escape');
    await terminal.waitFor(/▸ web +web:2 +running/);
    expect(await tui.device('calls')).toEqual(['swap web web:2']);
  });

  it('shows a swap that is rolled back, and why', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('x');
    await terminal.waitFor('image:');
    terminal.type('web:broken\r');
    await terminal.waitFor('Swap web?');
    terminal.type('y');
    await terminal.waitFor(
      /✗ probe[\s\S]*✓ rollback[\s\S]*rolled back: the device runs what it ran before[\s\S]*503 for 30 s/,
    );
  });

  it('takes a refused image again only when told to', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('x');
    await terminal.waitFor('web:bad');
    terminal.press('down');
    await terminal.waitFor(/▸ web:bad.*rolled back: GET/);
    terminal.press('enter');
    await terminal.waitFor(/was rolled back before: GET[\s\S]*\[ Cancel ] +Retry/);
    terminal.press('right', 'enter');
    await terminal.waitFor('✓ commit');
    expect(await tui.device('calls')).toEqual(['swap web web:bad retry']);
  });

  it('says what the device would remove for it, and why it refuses', async () => {
    await using tui = await open({ columns: 140 });
    const { terminal } = tui;
    const items = [{ kind: 'layer', name: 'a', bytes: 5e6 }];
    await tui.device('tell', { planMore: { frees: { items, bytes: 5e6 }, refused: 'web:7 failed\x1b[2J at noon' } });
    await select(tui, 'web');
    terminal.type('x');
    await terminal.waitFor('image:');
    terminal.type('web:7\r');
    await terminal.waitFor(
      /removes 5\.0 MB for it \(1 layer\)[\s\S]*Refused unless you insist: web:7 failed at noon[\s\S]*\[ Cancel \] +Retry/,
    );
    terminal.press('right', 'enter');
    await terminal.waitFor('✓ commit');
    expect(await tui.device('calls')).toEqual(['swap web web:7 retry']);
  });

  it('rolls back one component when its name is typed', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('b');
    await terminal.waitFor(/▸ web only[\s\S]*web: web:1 → web:0[\s\S]*type web to confirm/);
    terminal.press('enter');
    await terminal.waitFor('type web to confirm\n');
    terminal.type('web');
    await terminal.waitFor('confirm: web');
    terminal.press('enter');
    await terminal.waitFor(/roll back web only[\s\S]*done/);
    expect(await tui.device('calls')).toEqual(['rollback {"name":"web"}']);
  });

  it('rolls back the whole device, also from the list of revisions', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('b');
    await terminal.waitFor('type web');
    terminal.press('tab');
    await terminal.waitFor(/▸ the whole device, to revision 0[\s\S]*type device/);
    terminal.type('device\r');
    await terminal.waitFor(/roll back the whole device[\s\S]*done/);
    terminal.type('qv');
    await terminal.waitFor(/REV +STATE +CREATED +REASON +CHANGES[\s\S]*2 refused[\s\S]*0 previous|available/);
    terminal.type('G');
    await terminal.waitFor(/▸ +0 /);
    terminal.type('b');
    await terminal.waitFor('type 0 to confirm');
    terminal.type('0\r');
    await terminal.waitFor(/to revision 0[\s\S]*done/);
    expect(await tui.device('calls')).toEqual(['rollback {}', 'rollback {"revision":0}']);
  });

  it('pastes into a text field and nowhere else', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.paste('sy');
    terminal.type('x');
    await terminal.waitFor('image:');
    terminal.paste('registry/web:3\n');
    await terminal.waitFor('image: registry/web:3');
    expect(await tui.device('calls')).toEqual([]);
  });
});

describe('other screens', () => {
  it('inspects and scrolls', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await select(tui, 'web');
    terminal.type('i');
    await terminal.waitFor(/inspect web {2}1–\d+ of \d+[\s\S]*"Name": "\/web"/);
    terminal.type('G');
    await terminal.waitFor('"Evil"');
    terminal.type('q');
    await terminal.waitFor('NAME');
  });

  it('shows every key of the table', async () => {
    await using tui = await open({ columns: 100, rows: 70 });
    tui.terminal.type('?');
    await tui.terminal.waitFor(
      /help {2}1–\d+[\s\S]*Restart the selected component\. Asks first\.[\s\S]*Search in the log/,
    );
    tui.terminal.press('escape');
    await tui.terminal.waitFor('NAME');
  });
});

describe('the connection', () => {
  it('says that it is lost, refuses what cannot be done, and comes back by itself', async () => {
    await using tui = await open();
    const { terminal } = tui;
    await tui.device('lose', 'the line is dead\x1b]0;owned\x07', 2);
    await terminal.waitFor('Connection lost: the line is dead; attempt 2, it comes back by itself');
    await terminal.waitFor('◌ reconnecting');
    terminal.type('r');
    await terminal.waitFor('not connected to the device');
    await tui.device('change', 'web', { image: 'web:9' });
    await tui.device('comeBack');
    await terminal.waitFor(/connected again/);
    await terminal.waitFor(/web +web:9/);
    await terminal.waitForGone('Connection lost');
  });
});
