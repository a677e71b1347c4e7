import { expect } from 'vitest';
import type { TerminalOptions } from './terminal.ts';
import { TuiUnderTest } from './tui.ts';

/** What a terminal that nobody has changed says of itself. */
export const cleanModes = {
  alternateScreen: false,
  cursorHidden: false,
  mouse: false,
  bracketedPaste: false,
  applicationKeys: false,
};

const quote = (words: string[]) => words.map((word) => `'${word}'`).join(' ');

/** A fixture under a shell that says afterwards how it ended and in which state the terminal is. */
export function startInShell(program: string, options: TerminalOptions): Promise<TuiUnderTest> {
  const wrap = (command: string[]) => ['/bin/sh', '-c', `${quote(command)}; echo "ended with $?"; stty -a; echo END`];
  return TuiUnderTest.start(program, { wrap, ...options });
}

/** A way out: its name, what a test does, and what is then to be read under the shell. */
export type WayOut = [name: string, leave: (ui: TuiUnderTest) => unknown, ended: RegExp];

/** Those that are no key. */
export const abruptWaysOut: WayOut[] = [
  ['an exception', (ui) => ui.device('throw'), /thrown on purpose[\s\S]*onExit was called\s+ended with 1/],
  ['a rejection', (ui) => ui.device('reject'), /rejected on purpose[\s\S]*onExit was called\s+ended with 1/],
  ['process.exit', (ui) => ui.device('exit'), /ended with 3/],
  ['SIGTERM', (ui) => ui.device('signal', 'SIGTERM'), /onExit was called\s+ended with 143/],
  ['SIGHUP', (ui) => ui.device('signal', 'SIGHUP'), /onExit was called\s+ended with 129/],
];

/** Leaves, and expects the terminal as it was before; returns what is on the screen then. */
export async function leaveAndExpectGivenBack(ui: TuiUnderTest, [, leave, ended]: WayOut): Promise<string> {
  await Promise.race([leave(ui), ui.terminal.exit]);
  const screen = await ui.terminal.waitFor('END');
  expect(screen).toMatch(ended);
  expect(screen).toMatch(/[^-]icanon/);
  expect(screen).toMatch(/[^-]echo /);
  expect(ui.terminal.modes()).toEqual(cleanModes);
  return screen;
}
