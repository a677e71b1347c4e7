import { allowedSgr } from './sgr.ts';
import { codePointWidth, truncate } from './width.ts';

/**
 * Makes text that came from a device safe to show on a person's terminal. A terminal obeys what it is sent: without this
 * a log line can write the clipboard, rename the window, hide the lines that follow it or imitate our own prompts
 * (CVE-2021-25743, CVE-2009-4487). Applied where text enters, to every string: lines, names, references, error texts.
 *
 * What stays: printable text and, with `color`, the SGR parameters of `allowedSgr`. Every other escape sequence is
 * dropped; other control characters, bidi controls and invisible characters are made visible.
 */
export interface SanitizeOptions {
  /** Keep colours. They are reset at the end of the line, so that they cannot bleed into the next. */
  color: boolean;
}

/** Text that needs no work: the common case, and the reason that 100,000 log lines cost little. */
const suspicious = /[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\p{Surrogate}]/u;
const invisible = /[\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
const invisibleInName = /[\p{Format}\p{Line_Separator}\p{Paragraph_Separator}\u115f\u1160\u3164\uffa0]/gu;
/** An OSC, DCS, … whose end never comes swallows no more than this many characters. */
const longestString = 4096;
const longestSequence = 256;
const longestName = 512;
const tabStop = 8;

/**
 * One line, safe to show. A newline at the end is removed; one inside is shown as `^J`. Of several segments between bare
 * carriage returns (a progress bar) the last that shows something is kept, as a terminal would leave it.
 */
export function sanitizeLine(text: string, options: SanitizeOptions): string {
  if (!suspicious.test(text)) return text;
  const line = text.replace(/\r*\n?$/, '');
  if (!suspicious.test(line)) return line;
  return new LineScan(line, options.color).run();
}

/** A name, label, reference or address: one line, no escapes, no invisible characters, at most 512 cells. */
export function sanitizeName(text: string): string {
  const line = sanitizeLine(text, { color: false });
  return truncate(line.replace(invisibleInName, escapeCodePoint), longestName);
}

/** Text of several lines (an error message, a document): each line by itself. */
export function sanitizeText(text: string, options: SanitizeOptions): string {
  if (!suspicious.test(text)) return text;
  return text
    .split('\n')
    .map((line) => sanitizeLine(line, options))
    .join('\n');
}

class LineScan {
  private readonly text: string;
  private readonly color: boolean;
  private at = 0;
  private out = '';
  private column = 0;
  private styled = false;
  private previous = '';

  constructor(text: string, color: boolean) {
    this.text = text;
    this.color = color;
  }

  run(): string {
    while (this.at < this.text.length) {
      this.plainRun();
      if (this.at < this.text.length) this.step(this.text.codePointAt(this.at) ?? 0);
    }
    if (this.column === 0 && this.previous !== '') return this.previous;
    return this.finish();
  }

  private plainRun(): void {
    const start = this.at;
    let code = this.text.charCodeAt(start);
    while (code >= 0x20 && code < 0x7f) code = this.text.charCodeAt(++this.at);
    if (this.at > start) this.put(this.text.slice(start, this.at));
  }

  private step(code: number): void {
    this.at += code > 0xffff ? 2 : 1;
    if (code === 0x1b) this.escape();
    else if (code === 0x9b) this.controlSequence();
    else if (isStringIntroducer(code)) this.controlString();
    else if (code === 0x09) this.put(' '.repeat(tabStop - (this.column % tabStop)));
    else if (code === 0x0d) this.carriageReturn();
    else if (code < 0x20 || code === 0x7f) this.put(`^${String.fromCharCode(code ^ 0x40)}`);
    else if (code >= 0x80 && code < 0xa0) return;
    else if (code >= 0xd800 && code <= 0xdfff) this.put('\ufffd');
    else {
      const character = String.fromCodePoint(code);
      if (invisible.test(character)) this.put(escapeCodePoint(character));
      else {
        this.out += character;
        this.column += codePointWidth(code);
      }
    }
  }

  private put(ascii: string): void {
    this.out += ascii;
    this.column += ascii.length;
  }

  private carriageReturn(): void {
    if (this.column > 0) this.previous = this.finish();
    this.out = '';
    this.column = 0;
    this.styled = false;
  }

  private finish(): string {
    return this.styled ? `${this.out}\x1b[0m` : this.out;
  }

  /** After ESC. The C1 forms (ESC [ = 0x9b, ESC ] = 0x9d, …) share the two functions below. */
  private escape(): void {
    const code = this.text.charCodeAt(this.at);
    if (code >= 0x40 && code <= 0x5f) {
      this.at++;
      if (code === 0x5b) this.controlSequence();
      else if (isStringIntroducer(code + 0x40)) this.controlString();
      return;
    }
    let at = this.at;
    while (isIntermediate(this.text.charCodeAt(at)) && at - this.at < longestSequence) at++;
    const final = this.text.charCodeAt(at);
    this.at = final >= 0x30 && final <= 0x7e ? at + 1 : at;
  }

  /** After CSI. A sequence that something else interrupts is dropped up to there. */
  private controlSequence(): void {
    const start = this.at;
    const limit = start + longestSequence;
    while (this.at < limit && isBetween(this.text.charCodeAt(this.at), 0x20, 0x3f)) this.at++;
    const final = this.text.charCodeAt(this.at);
    if (!isBetween(final, 0x40, 0x7e)) return;
    this.at++;
    if (final !== 0x6d || !this.color) return;
    const kept = allowedSgr(this.text.slice(start, this.at - 1));
    if (kept === undefined) return;
    this.out += `\x1b[${kept}m`;
    this.styled = kept !== '0';
  }

  /** After OSC, DCS, SOS, PM or APC: up to BEL, ST, CAN, SUB, another escape, or the limit. */
  private controlString(): void {
    const limit = this.at + longestString;
    while (this.at < limit && this.at < this.text.length) {
      const code = this.text.charCodeAt(this.at);
      if (code === 0x1b) {
        if (this.text.charCodeAt(this.at + 1) === 0x5c) this.at += 2;
        return;
      }
      this.at++;
      if (code === 0x07 || code === 0x18 || code === 0x1a || code === 0x9c) return;
    }
  }
}

function isBetween(code: number, low: number, high: number): boolean {
  return code >= low && code <= high;
}

function isIntermediate(code: number): boolean {
  return isBetween(code, 0x20, 0x2f);
}

/** C1: DCS, SOS, OSC, PM, APC. */
function isStringIntroducer(code: number): boolean {
  return code === 0x90 || code === 0x98 || code === 0x9d || code === 0x9e || code === 0x9f;
}

function escapeCodePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code === 0x200d ? character : `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}
