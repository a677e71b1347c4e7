import xterm from '@xterm/headless';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineEditor, type Outcome } from './line-editor.ts';

const up = '\x1b[A';
const left = '\x1b[D';
const history = ['logs web', 'swap web /media/web.tar'];

function editorOf(columns: number | undefined = 80): LineEditor {
  const editor = new LineEditor({ columns: () => columns, history: () => history });
  editor.start('demo r0> ');
  return editor;
}

/** What comes of keys: the outcome of the last. */
function typed(keys: string, editor = editorOf()): Outcome | undefined {
  return editor.feed(keys).outcome;
}

test.each([
  ['plain text', 'ps -a\r', 'ps -a'],
  ['a line feed ends a line, too', 'ps\n', 'ps'],
  ['both kinds of backspace', 'pxs\x7f\bs\r', 'ps'],
  ['moving and inserting', `s${left}p\r`, 'ps'],
  ['arrows of a terminal in application mode', 's\x1bODp\r', 'ps'],
  ['start and end', 's\x01p\x05 -a\r', 'ps -a'],
  ['delete', `pxs${left}${left}\x1b[3~\r`, 'ps'],
  ['Ctrl-U cuts, Ctrl-Y brings it back', 'web\x15logs \x19\r', 'logs web'],
  ['Ctrl-W cuts a word', 'logs web  \x17init\r', 'logs init'],
  ['Ctrl-K cuts to the end', `logs webs${left}\x0b\r`, 'logs web'],
  ['history', `${up}\r`, 'swap web /media/web.tar'],
  ['history and back to what was typed', `ps${up}${up}\x1b[B\x1b[B\r`, 'ps'],
  ['escape sequences that nobody knows are no text', 'p\x1b[1;5Z\x1b[?62cs\r', 'ps'],
  ['other alphabets', 'é日本\x7f\r', 'é日'],
])('%s', (_, keys, text) => {
  expect(typed(keys)).toEqual({ type: 'line', text });
});

test('Ctrl-C ends the line whatever was typed, also in the middle of an escape sequence', () => {
  for (const keys of ['\x03', 'ps\x03', '\x1b\x03', '\x1b[\x03', '\x1b[12;\x03'])
    expect(typed(keys)).toEqual({ type: 'interrupt' });
});

test('Ctrl-D leaves on an empty line only', () => {
  expect(typed('\x04')).toEqual({ type: 'end' });
  expect(typed(`ps${left}\x04\r`)).toEqual({ type: 'line', text: 'p' });
});

test('an escape sequence may come in pieces', () => {
  const editor = editorOf();
  for (const piece of ['s', '\x1b', '[', 'D']) editor.feed(piece);
  expect(typed('p\r', editor)).toEqual({ type: 'line', text: 'ps' });
});

test('what was typed ahead is the next line', () => {
  const editor = editorOf();
  expect(typed('ps\rlogs web\rx', editor)).toEqual({ type: 'line', text: 'ps' });
  editor.start('> ');
  expect(typed('', editor)).toEqual({ type: 'line', text: 'logs web' });
  editor.start('> ');
  expect(typed('\r', editor)).toEqual({ type: 'line', text: 'x' });
});

test('Return and line feed together are one Enter', () => {
  const editor = editorOf();
  expect(typed('ps\r\n', editor)).toEqual({ type: 'line', text: 'ps' });
  editor.start('> ');
  expect(typed('', editor)).toBeUndefined();
});

test('a completion: one candidate, a common beginning, a list, none', () => {
  const complete = (keys: string, candidates: string[]) => {
    const editor = editorOf();
    expect(typed(`${keys}\t`, editor)).toEqual({ type: 'complete', before: keys });
    const output = editor.offer(candidates);
    return { editor, output };
  };
  const one = complete('restart w', ['web', 'sshd']);
  expect(typed('\r', one.editor)).toEqual({ type: 'line', text: 'restart web ' });
  const common = complete('re', ['revisions', 'restart', 'reboot', 'ps']);
  expect(common.output).toBe('\x07');
  typed('\t', common.editor);
  expect(common.editor.offer(['revisions', 'restart', 'reboot'])).toContain('reboot     restart    revisions');
  const folder = complete('swap web /m', ['/media/']);
  expect(typed('a.tar\r', folder.editor)).toEqual({ type: 'line', text: 'swap web /media/a.tar' });
  expect(complete('x', ['ps']).output).toBe('\x07');
});

const key = fc.oneof(
  fc.constantFrom(...'abc -é日本'),
  fc.constantFrom('\x7f', '\x1b[D', '\x1b[C', '\x01', '\x05', '\x15', '\x0b', '\x17', '\x19', '\x1b[3~', up, '\x1b[B'),
);

test('the screen shows the line and the cursor with nothing but characters and backspaces, however narrow it is', async () => {
  const width = fc.constantFrom(20, 23, 40, 80);
  await fc.assert(
    fc.asyncProperty(fc.array(key, { maxLength: 120 }), width, async (keys, columns) => {
      const screen = new xterm.Terminal({ cols: columns, rows: 5, allowProposedApi: true });
      const editor = new LineEditor({ columns: () => columns, history: () => history });
      let output = editor.start('demo r0> ');
      for (const each of keys) output += editor.feed(each).output;
      expect(output).not.toMatch(/[\x00-\x06\x0a-\x1f]/);
      await new Promise<void>((resolve) => screen.write(output, resolve));
      const { active } = screen.buffer;
      const shown = active.getLine(0)?.translateToString(true).slice('demo r0> '.length) ?? '';
      const before = active.getLine(0)?.translateToString(false, 'demo r0> '.length, active.cursorX) ?? '';
      expect(active.cursorY).toBe(0);
      // What is before the cursor, and the whole line.
      const cut = editor.feed('\x15').output;
      expect(cut).toBeDefined();
      editor.feed('\x19');
      const outcome = editor.feed('\r').outcome;
      const line = outcome?.type === 'line' ? outcome.text : '';
      expect(line).toContain(shown.trimEnd());
      expect(line).toContain(before.trimEnd());
      if (line.length < 8) expect(shown.trimEnd()).toBe(line.trimEnd());
    }),
    { numRuns: 300 },
  );
});

test.each([0, 1, undefined, Number.NaN])('a terminal that says it is %s columns wide is taken for 80', (columns) => {
  const editor = new LineEditor({ columns: () => columns, history: () => [] });
  editor.start('> ');
  const { output } = editor.feed('x'.repeat(60));
  expect(output).toBe('x'.repeat(60));
});

test('a character at the end of the line costs one byte on the line', () => {
  const editor = editorOf();
  editor.feed('logs we');
  expect(editor.feed('b').output).toBe('b');
  expect(editor.feed('\x7f').output).toBe('\b \b');
});
