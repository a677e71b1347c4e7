import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from './line-splitter.ts';
import { sanitizeLine, sanitizeName, sanitizeText } from './sanitize.ts';

const color = { color: true };
const plain = { color: false };
const ESC = '\x1b';

/** What an attacker, or a careless program, writes; what a person may see of it. */
const corpus: [name: string, input: string, shown: string][] = [
  ['plain text', 'hello, wörld 日本 👩‍💻', 'hello, wörld 日本 👩‍💻'],
  ['colour is reset at the end', `${ESC}[31mred`, `${ESC}[31mred${ESC}[0m`],
  ['colour that ends itself', `${ESC}[1;38;5;9mred${ESC}[m.`, `${ESC}[1;38;5;9mred${ESC}[0m.`],
  ['RGB colour', `${ESC}[48;2;1;2;3mx`, `${ESC}[48;2;1;2;3mx${ESC}[0m`],
  ['conceal', `${ESC}[8mhidden`, 'hidden'],
  ['conceal among others', `${ESC}[1;8;5;31mx`, `${ESC}[1;31mx${ESC}[0m`],
  ['conceal smuggled behind a broken colour', `${ESC}[38;8mx`, 'x'],
  ['too many parameters', `${ESC}[${'1;'.repeat(20)}1mx`, 'x'],
  ['xterm modifyOtherKeys is no colour', `${ESC}[>4;2mx`, 'x'],
  ['clear the screen', `a${ESC}[2J${ESC}[Hb`, 'ab'],
  ['clipboard, BEL', `a${ESC}]52;c;cm0gLXJmCg==\x07b`, 'ab'],
  ['clipboard, ST', `a${ESC}]52;c;cm0gLXJmCg==${ESC}\\b`, 'ab'],
  ['title, C1 forms', 'a\u009d0;owned\u009cb', 'ab'],
  ['hyperlink', `${ESC}]8;;http://evil/${ESC}\\click${ESC}]8;;${ESC}\\`, 'click'],
  ['CSI in its C1 form', 'a\u009b2Jb\u009b31mc', `ab${ESC}[31mc${ESC}[0m`],
  ['DCS, APC, PM, SOS', `1${ESC}Pq#0${ESC}\\2${ESC}_x${ESC}\\3${ESC}^x${ESC}\\4${ESC}Xx${ESC}\\5`, '12345'],
  ['a string that never ends hides no more than its line', `a${ESC}]0;title`, 'a'],
  ['full reset and charset', `a${ESC}c${ESC}(0${ESC}7b`, 'ab'],
  ['an interrupted sequence', `a${ESC}[3\x07b`, 'a^Gb'],
  ['other C1 (next line)', 'a\u0085b', 'ab'],
  ['backspace', 'rm -rf /\b\bok', 'rm -rf /^H^Hok'],
  ['BEL, SO, NUL, VT, DEL', '\x07\x0e\x00\x0b\x7f', '^G^N^@^K^?'],
  ['tab stops', 'a\tb\t\tc', 'a       b               c'],
  ['tab after a wide character', '日\tx', '日      x'],
  ['CRLF', 'line\r\n', 'line'],
  ['a progress bar', ' 10%\r 50%\r100%', '100%'],
  ['a progress bar that ends with a return', ' 10%\r100%\r', '100%'],
  ['a progress bar that erases its line', `10%\r${ESC}[K`, '10%'],
  ['a newline inside', 'a\nb', 'a^Jb'],
  ['bidi override', 'user\u202etxt.exe\u202c', 'user<U+202E>txt.exe<U+202C>'],
  ['bidi isolate', '\u2066x\u2069', '<U+2066>x<U+2069>'],
  ['zero width space and BOM', 'pass\u200bword\ufeff', 'pass<U+200B>word<U+FEFF>'],
  ['line separator', 'a\u2028b', 'a<U+2028>b'],
  ['lone surrogate', 'a\ud800b', 'a\ufffdb'],
];

describe('sanitizeLine', () => {
  for (const [name, input, shown] of corpus) {
    it(name, () => expect(sanitizeLine(input, color)).toBe(shown));
  }

  it('keeps no escape at all without colour', () => {
    for (const [, input] of corpus) expect(sanitizeLine(input, plain)).not.toContain(ESC);
  });

  it('gives an unended string back after 4096 characters', () => {
    expect(sanitizeLine(`${ESC}]0;${'x'.repeat(5000)}visible`, plain)).toMatch(/^x{906}visible$/);
  });

  const hostile = fc.array(
    fc.oneof(
      fc.constantFrom(
        ESC,
        '\x07',
        '\r',
        '\n',
        '\t',
        '\b',
        '[',
        ']',
        ';',
        'm',
        '8',
        '31',
        '38;5;1',
        '\\',
        'P',
        '\u009b',
      ),
      fc.constantFrom('\u009d', '\u009c', '\u202e', '\u200b', '日', '\ud83d', '👍', 'x'),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 40 },
  );

  it('leaves nothing but printable text and SGR, whatever comes in', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        const out = sanitizeLine(parts.join(''), color);
        const bare = out.replace(/\x1b\[[0-9;]{1,80}m/g, '');
        expect(bare).not.toMatch(/[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/);
        for (const [, parameters] of out.matchAll(/\x1b\[([0-9;]*)m/g)) {
          const withoutColours = parameters?.replace(/[345]8;(5;\d+|2;\d+;\d+;\d+)/g, '0').split(';');
          expect(withoutColours).not.toEqual(expect.arrayContaining([expect.stringMatching(/^0*[568]$/)]));
        }
        if (bare !== out) expect(out.lastIndexOf('\x1b[0m')).toBeGreaterThanOrEqual(0);
        expect(out.isWellFormed()).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(hostile, (parts) => {
        const once = sanitizeLine(parts.join(''), color);
        expect(sanitizeLine(once, color)).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });

  it('does not touch printable ASCII', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => sanitizeLine(text, color) === text));
  });
});

describe('sanitizeName', () => {
  it('is one bounded line without escapes or invisible characters', () => {
    expect(sanitizeName(`web${ESC}[31m\nStop? [y/N]\u202e\u00ad`)).toBe('web^JStop? [y/N]<U+202E><U+00AD>');
    expect(sanitizeName('x'.repeat(10_000))).toHaveLength(512);
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !/[\x00-\x1f\x7f-\x9f]/.test(sanitizeName(text))));
  });
});

describe('sanitizeText', () => {
  it('keeps the lines apart', () => {
    expect(sanitizeText(`a${ESC}]0;x\nb\r\n\tc`, plain)).toBe('a\nb\n        c');
  });
});

describe('LineSplitter', () => {
  const split = (chunks: Uint8Array[]) => {
    const splitter = new LineSplitter(color);
    return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
  };

  it('gives the same lines wherever the chunks break', () => {
    const lines = fc.array(fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 8 });
    fc.assert(
      fc.property(lines, fc.array(fc.nat(60), { maxLength: 10 }), (texts, cuts) => {
        const bytes = Buffer.from(texts.join('\n'));
        const points = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const chunks = points.slice(1).map((to, index) => bytes.subarray(points[index], to));
        expect(split(chunks)).toEqual(split([bytes]));
      }),
    );
  });

  it('joins a character broken over chunks and marks bytes that are not UTF-8', () => {
    expect(split([Buffer.from([0x61, 0xc3]), Buffer.from([0xa9, 0xff, 0x0a])])).toEqual(['aé\ufffd']);
  });

  it('lets an escape hide nothing beyond its own line', () => {
    expect(split([Buffer.from(`${ESC}]0;t\nnext\n`)])).toEqual(['', 'next']);
  });

  it('does not keep the buffer it was given', () => {
    const splitter = new LineSplitter(plain);
    const chunk = Buffer.from('abc');
    splitter.push(chunk);
    chunk.fill(0x7a);
    expect(splitter.end()).toEqual(['abc']);
  });

  it('cuts an endless line and says by how much', () => {
    const splitter = new LineSplitter(plain);
    for (let i = 0; i < 20; i++) expect(splitter.push(Buffer.alloc(1024, 0x78))).toEqual([]);
    expect(splitter.push(Buffer.from('\nnext\n'))).toEqual([`${'x'.repeat(16384)} … +4096 B`, 'next']);
  });
});
