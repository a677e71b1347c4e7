/** A key as the line editor knows it: text to insert, or a name such as `left` or `ctrl-a`. */
export type Key = { text: string; name?: undefined } | { name: string; text?: undefined };

const control: Record<string, string> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\b': 'backspace',
  '\x7f': 'backspace',
};

/** What terminals send after ESC [ or ESC O: by the last character, or by the number before `~`. */
const finals: Record<string, string> = { A: 'up', B: 'down', C: 'right', D: 'left', H: 'home', F: 'end' };
const numbers: Record<string, string> = { '1': 'home', '3': 'delete', '4': 'end', '7': 'home', '8': 'end' };

/** From what a terminal sends to keys, in pieces of any size. What is neither text nor a known key is left out. */
export class KeyDecoder {
  /** An escape sequence that is not whole yet. */
  #escape = '';
  #afterReturn = false;

  push(text: string): Key[] {
    const keys: Key[] = [];
    for (const char of text) {
      const key = this.#next(char);
      if (key) keys.push(key);
    }
    return keys;
  }

  #next(char: string): Key | undefined {
    const afterReturn = this.#afterReturn;
    this.#afterReturn = char === '\r';
    if (this.#escape !== '') return this.#inEscape(char);
    if (char === '\x1b') {
      this.#escape = char;
      return undefined;
    }
    // Some terminals send both for one Enter.
    if (char === '\n' && afterReturn) return undefined;
    const name = control[char];
    if (name !== undefined) return { name };
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x20) return { name: `ctrl-${String.fromCharCode(code + 0x60)}` };
    if ((code >= 0x80 && code < 0xa0) || code === 0xfffd) return undefined;
    return { text: char };
  }

  #inEscape(char: string): Key | undefined {
    // Ctrl-C works whatever was sent before it.
    if (char < ' ') {
      this.#escape = '';
      return this.#next(char);
    }
    this.#escape += char;
    const isOpen = this.#escape.length === 2 ? char === '[' || char === 'O' : /[0-9;?]/.test(char);
    if (isOpen && this.#escape.length < 16) return undefined;
    const sequence = this.#escape;
    this.#escape = '';
    const name =
      char === '~' ? numbers[/\d+/.exec(sequence)?.[0] ?? ''] : sequence.length > 2 ? finals[char] : undefined;
    return name === undefined ? undefined : { name };
  }
}
