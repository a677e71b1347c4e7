import { displayWidth } from '../../shared/text/width.ts';
import { type Key, KeyDecoder } from './keys.ts';
import { LineView } from './line-view.ts';

/** What a person wants: a line, `interrupt` (Ctrl-C), `end` (Ctrl-D on an empty line), or candidates for a completion. */
export type Outcome =
  | { type: 'line'; text: string }
  | { type: 'interrupt' }
  | { type: 'end' }
  | { type: 'complete'; before: string };

export interface LineEditorOptions {
  /** Columns of the terminal; whatever it says, also nonsense. */
  columns: () => number | undefined;
  /** Former lines, oldest first. */
  history: () => readonly string[];
}

const longestLine = 4096;
const defaultColumns = 80;
const leastColumns = 20;

/** One line with a prompt, edited as in any shell. It knows no terminal: what to print is returned as text. */
export class LineEditor {
  readonly #options: LineEditorOptions;
  readonly #decoder = new KeyDecoder();
  readonly #view = new LineView();
  #prompt = '';
  #line: string[] = [];
  #at = 0;
  /** Typed ahead, after what ended the last line. */
  #waiting: Key[] = [];
  /** Where in the history, and what was typed before going there. */
  #past: { index: number; typed: string } | undefined;
  /** The last key was a Tab that completed nothing. */
  #stuck = false;
  #killed = '';

  constructor(options: LineEditorOptions) {
    this.#options = options;
  }

  /** Begins a line. */
  start(prompt: string): string {
    this.#prompt = prompt;
    this.#line = [];
    this.#at = 0;
    this.#past = undefined;
    this.#view.reset();
    return prompt;
  }

  /** Takes what was typed, up to what ends the line or needs an answer; the rest waits for the next call. */
  feed(text: string): { output: string; outcome?: Outcome } {
    this.#waiting.push(...this.#decoder.push(text));
    let output = '';
    for (let key = this.#waiting.shift(); key; key = this.#waiting.shift()) {
      if (key.text !== undefined) this.#insert(key.text);
      else {
        const outcome = this.#press(key.name);
        if (outcome === 'bell') output += '\x07';
        else if (outcome === 'redraw') output += `\r\n${this.#again()}`;
        else if (outcome) return { output: output + this.#draw() + this.#ending(outcome), outcome };
      }
      if (key.name !== 'tab') this.#stuck = false;
    }
    return { output: output + this.#draw() };
  }

  /** Answers `complete`: whole words that may stand where the last one of `before` is. One that ends in `/` may go on. */
  offer(candidates: readonly string[]): string {
    const word = /\S*$/.exec(this.#before())?.[0] ?? '';
    const fitting = [...new Set(candidates)].filter((candidate) => candidate.startsWith(word)).toSorted();
    const [first] = fitting;
    if (first === undefined) return '\x07';
    if (fitting.length === 1) {
      this.#insert(`${first.slice(word.length)}${first.endsWith('/') ? '' : ' '}`);
      return this.#draw();
    }
    const common = fitting.reduce(commonPrefix);
    if (common.length > word.length) {
      this.#insert(common.slice(word.length));
      return this.#draw();
    }
    if (!this.#stuck) {
      this.#stuck = true;
      return '\x07';
    }
    return `\r\n${columnsOf(fitting, this.#columns)}${this.#again()}`;
  }

  /** The prompt and the line, on a line of the screen that is empty. */
  #again(): string {
    this.#view.reset();
    return this.#prompt + this.#draw();
  }

  #ending({ type }: Outcome): string {
    if (type === 'complete') return '';
    return type === 'interrupt' ? '^C\r\n' : '\r\n';
  }

  get #columns(): number {
    const columns = this.#options.columns() ?? 0;
    return columns >= leastColumns ? Math.min(columns, 1000) : defaultColumns;
  }

  #draw(): string {
    return this.#view.draw(this.#line, this.#at, Math.max(8, this.#columns - displayWidth(this.#prompt) - 1));
  }

  #before(): string {
    return this.#line.slice(0, this.#at).join('');
  }

  #insert(text: string): void {
    const chars = [...text].slice(0, longestLine - this.#line.length);
    this.#line.splice(this.#at, 0, ...chars);
    this.#at += chars.length;
  }

  #replace(text: string): void {
    this.#line = [...text];
    this.#at = this.#line.length;
  }

  #cut(from: number, to: number): void {
    this.#killed = this.#line.splice(from, to - from).join('');
    this.#at = from;
  }

  #press(name: string): Outcome | 'bell' | 'redraw' | undefined {
    const { length } = this.#line;
    switch (name) {
      case 'enter':
        this.#at = length;
        return { type: 'line', text: this.#line.join('') };
      case 'ctrl-c':
        this.#at = length;
        return { type: 'interrupt' };
      case 'ctrl-d':
        if (length === 0) return { type: 'end' };
        this.#line.splice(this.#at, 1);
        return undefined;
      case 'tab':
        return { type: 'complete', before: this.#before() };
      case 'ctrl-l':
        return 'redraw';
      case 'backspace':
        if (this.#at === 0) return 'bell';
        this.#line.splice(--this.#at, 1);
        return undefined;
      case 'delete':
        this.#line.splice(this.#at, 1);
        return undefined;
      case 'left':
      case 'ctrl-b':
        this.#at = Math.max(0, this.#at - 1);
        return undefined;
      case 'right':
      case 'ctrl-f':
        this.#at = Math.min(length, this.#at + 1);
        return undefined;
      case 'home':
      case 'ctrl-a':
        this.#at = 0;
        return undefined;
      case 'end':
      case 'ctrl-e':
        this.#at = length;
        return undefined;
      case 'ctrl-u':
        this.#cut(0, this.#at);
        return undefined;
      case 'ctrl-k':
        this.#cut(this.#at, length);
        return undefined;
      case 'ctrl-w':
        this.#cut([...this.#before().replace(/\S*\s*$/, '')].length, this.#at);
        return undefined;
      case 'ctrl-y':
        this.#insert(this.#killed);
        return undefined;
      case 'up':
      case 'ctrl-p':
        return this.#recall(-1);
      case 'down':
      case 'ctrl-n':
        return this.#recall(1);
      default:
        return undefined;
    }
  }

  #recall(step: -1 | 1): 'bell' | undefined {
    const lines = this.#options.history();
    const from = this.#past ?? { index: lines.length, typed: this.#line.join('') };
    const index = from.index + step;
    if (index < 0 || index > lines.length) return 'bell';
    this.#past = { ...from, index };
    this.#replace(lines[index] ?? from.typed);
    return undefined;
  }
}

function commonPrefix(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return a.slice(0, length);
}

/** Words side by side, as many as fit. */
function columnsOf(words: readonly string[], columns: number): string {
  const width = Math.max(...words.map((word) => displayWidth(word))) + 2;
  const perRow = Math.max(1, Math.floor((columns - 1) / width));
  let text = '';
  for (let at = 0; at < words.length; at += perRow) {
    const row = words.slice(at, at + perRow).map((word) => word + ' '.repeat(width - displayWidth(word)));
    text += `${row.join('').trimEnd()}\r\n`;
  }
  return text;
}
