import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleForTerminal } from '../../test/support/bundle.ts';
import {
  abruptWaysOut,
  cleanModes,
  leaveAndExpectGivenBack,
  startInShell,
  type WayOut,
} from '../../test/support/given-back.ts';
import { TestTerminal } from '../../test/support/terminal.ts';
import type { TuiUnderTest } from '../../test/support/tui.ts';

let program = '';
beforeAll(async () => {
  program = await bundleForTerminal(join(import.meta.dirname, '../../test/support/tui-fixture.tsx'));
});
afterAll(async () => {
  // Without a program there is no folder of ours.
  if (program !== '') await rm(dirname(program), { recursive: true, force: true });
});

/** The UI under a shell that says afterwards how it ended and in which state the terminal is. */
async function openInShell(): Promise<TuiUnderTest> {
  const tui = await startInShell(program, { env: { CI: 'true' }, rows: 40 });
  await tui.terminal.waitFor(/web +web:1 +running/);
  expect(tui.terminal.modes()).toMatchObject({ alternateScreen: true, bracketedPaste: true });
  return tui;
}

describe('a shell', () => {
  it('gets every byte that is typed, and the UI none of them', async () => {
    await using tui = await openInShell();
    const { terminal } = tui;
    terminal.type('!');
    await terminal.waitFor('shell on the device');
    expect(terminal.modes()).toEqual(cleanModes);
    const typed = Buffer.from([0x64, 0x73, 0x79, 0xff, 0xfe, 0xc3, 0xa9, 0x03, 0x1a, 0x1d, 0x1b, 0x5b, 0x41, 0x71]);
    for (const byte of typed) {
      const before = terminal.written().length;
      terminal.type(Uint8Array.of(byte));
      await terminal.waitFor(() => terminal.written().length > before);
    }
    const seen = [...typed].map((byte) => `<${byte.toString(16).padStart(2, '0')}>`).join('');
    await terminal.waitFor((screen) => screen.replaceAll('\n', '').includes(seen));
    terminal.press('ctrl-d');
    await terminal.waitFor(/a shell on bench ended: exit code 0/);
    await terminal.waitFor(/▸ dhcp/);
    expect(await tui.device('calls')).toEqual(['shell 80x40']);
    terminal.type('j');
    await terminal.waitFor(/▸ sshd/);
  });

  it('gets a burst of keys whole, again and again', async () => {
    await using tui = await openInShell();
    const { terminal } = tui;
    for (let round = 1; round <= 3; round++) {
      terminal.type('e');
      // The screen still shows the rounds before.
      await terminal.waitFor((screen) => screen.split('\nshell in dhcp').length === round + 1);
      const letters = 'abcdefghijklmnopqrstu';
      terminal.type(letters);
      const seen = [...letters].map((letter) => `<${letter.charCodeAt(0).toString(16)}>`).join('');
      await terminal.waitFor((screen) => screen.replaceAll('\n', '').split(seen).length === round + 1);
      terminal.press('ctrl-d');
      await terminal.waitFor(/NAME[\s\S]*a shell in dhcp ended/);
    }
    expect(await tui.device('calls')).toEqual(Array(3).fill('exec dhcp 80x40'));
  });

  it('hears of the size of the window', async () => {
    await using tui = await openInShell();
    const { terminal } = tui;
    terminal.type('!');
    await terminal.waitFor('shell on the device');
    terminal.resize(100, 30);
    terminal.type('x');
    await terminal.waitFor('<78>');
    terminal.press('ctrl-d');
    await terminal.waitFor((screen) => screen.split('\n').length === 30 && /● connected/.test(screen));
    expect(await tui.device('calls')).toEqual(['shell 80x40', 'resize 100x30']);
  });

  it('may leave the terminal in any state', async () => {
    await using tui = await openInShell();
    const { terminal } = tui;
    terminal.type('!');
    await terminal.waitFor('shell on the device');
    terminal.type('V');
    await terminal.waitFor('editor');
    expect(terminal.modes()).toMatchObject({ mouse: true, applicationKeys: true });
    terminal.press('ctrl-d');
    await terminal.waitFor(/▸ dhcp/);
    expect(terminal.modes()).toMatchObject({ mouse: false, applicationKeys: false });
    terminal.type('q');
    await terminal.waitFor('END');
    expect(terminal.modes()).toEqual(cleanModes);
  });

  it('can be left when the connection is lost under it', async () => {
    await using tui = await openInShell();
    const { terminal } = tui;
    terminal.type('!');
    await terminal.waitFor('shell on the device');
    await tui.device('lose', 'no answer', 1);
    await terminal.waitFor('[no answer; ctrl-] comes back to the UI]');
    terminal.type('\x1d');
    await terminal.waitFor(/Connection lost[\s\S]*a shell on bench ended: the connection was lost/);
  });
});

describe('the terminal is given back', () => {
  const ways: WayOut[] = [
    ['q', (tui) => tui.terminal.type('q'), /onExit was called\s+runTui has returned\s+ended with 0/],
    ['ctrl-c', (tui) => tui.terminal.press('ctrl-c'), /onExit was called\s+runTui has returned\s+ended with 0/],
    ['SIGINT', (ui) => ui.device('signal', 'SIGINT'), /onExit was called\s+ended with 130/],
    ...abruptWaysOut,
  ];

  it.each(ways)('after %s', async (...way) => {
    await using tui = await openInShell();
    expect(await leaveAndExpectGivenBack(tui, way)).not.toContain('NAME');
  });

  it('after a signal while a shell has it', async () => {
    await using tui = await openInShell();
    const { terminal } = tui;
    terminal.type('!');
    await terminal.waitFor('shell on the device');
    terminal.type('V');
    await terminal.waitFor('editor');
    await Promise.race([tui.device('signal', 'SIGTERM'), terminal.exit]);
    expect(await terminal.waitFor('END')).toMatch(/ended with 143/);
    expect(terminal.screen()).toMatch(/[^-]icanon/);
    expect(terminal.modes()).toEqual(cleanModes);
  });

  it('on ctrl-z, and taken again by fg', async () => {
    await using terminal = TestTerminal.start('/bin/bash', ['--norc', '--noprofile', '-i'], {
      env: { PS1: 'prompt: ', CI: 'true' },
    });
    await terminal.waitFor('prompt: ');
    terminal.type(`'${process.execPath}' '${program}' '${dirname(program)}/job'\r`);
    await terminal.waitFor(/▸ dhcp/);
    terminal.type('j');
    await terminal.waitFor(/▸ sshd/);
    terminal.press('ctrl-z');
    await terminal.waitFor(/Stopped/);
    expect(terminal.modes()).toMatchObject({ alternateScreen: false, cursorHidden: false });
    terminal.type('fg\r');
    await terminal.waitFor(/▸ sshd[\s\S]*q quit/);
    terminal.type('q');
    await terminal.waitFor(/runTui has returned/);
  });

  it('and warnings of libraries come out afterwards, not into the screen', async () => {
    await using tui = await openInShell();
    await tui.device('warn');
    await tui.device('change', 'web', { health: 'starting' });
    const screen = await tui.terminal.waitFor(/web +web:1 +running +starting/);
    expect(screen).not.toContain('a library warns');
    tui.terminal.type('q');
    expect(await tui.terminal.waitFor('END')).toContain('a library warns');
  });
});

describe('text from the device', () => {
  const evil = [
    'title \x1b]0;owned\x07',
    'clipboard \x1b]52;c;cm0gLXJmCg==\x1b\\',
    'link \x1b]8;;http://evil/\x1b\\text\x1b]8;;\x1b\\',
    'clear \x1b[2J\x1b[3J\x1b[H',
    'c1 \u009b2J\u009d0;owned\u009c',
    'conceal \x1b[8mhidden',
    'device control \x1bP$q"p\x1b\\',
    'mouse \x1b[?1000h\x1b[?1049l',
    'returns \rbackspace\b\b',
    'bidi \u202e\u2066',
    'unterminated \x1b]0;',
  ];

  it('never reaches the terminal as a command, neither from logs nor from names, images, details or answers', async () => {
    await using tui = await openInShell();
    const { terminal } = tui;
    await tui.device('log', 'web', [...evil, 'the end']);
    await tui.device('change', 'mosquitto', { image: `m${evil[0]}:1`, detail: evil.join('') });
    await tui.device('change', 'base', { name: `base${evil[1]}` });
    await terminal.waitFor('mtitle :1');
    terminal.type('jjj');
    await terminal.waitFor(/▸ web/);
    terminal.type('l');
    await terminal.waitFor('the end');
    terminal.type('w');
    await terminal.waitFor(/bidi <U\+202E><U\+2066>/);
    terminal.type('q');
    await terminal.waitFor(/▸ web/);
    terminal.type('k');
    await terminal.waitFor(/▸ mosquitto/);
    terminal.type('sy');
    await terminal.waitFor('mosquitto was not stopped: the device said no: busy');
    terminal.type('i');
    await terminal.waitFor('inspect mosquitto');
    terminal.type('G');
    await terminal.waitFor('Evil');
    const written = terminal.written().toString('utf8');
    for (const forbidden of [
      '\x1b]',
      '\x1bP',
      '\x1b[3J',
      '\x1b[?1000h',
      '\x1b[8m',
      '\u009b',
      '\u009d',
      '\u202e',
      '\x07',
      '\b',
    ]) {
      expect(written.includes(forbidden), JSON.stringify(forbidden)).toBe(false);
    }
    expect(written.split('\x1b[2J')).toHaveLength(2);
    expect(terminal.modes()).toMatchObject({ alternateScreen: true, mouse: false });
  });
});
