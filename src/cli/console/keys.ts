/** What a person wants of the console itself, by the key behind the prefix. The letters are tio's where tio has one. */
export const consoleCommands = {
  '?': { name: 'help', words: 'this list' },
  q: { name: 'quit', words: 'leave the console' },
  b: { name: 'break', words: 'send a break' },
  B: { name: 'sysrq', words: 'send a break and then the next key: SysRq of a Linux kernel (h lists its keys)' },
  a: { name: 'toggle', words: 'from the shell to the bare line, or back' },
  l: { name: 'clear', words: 'clear the screen' },
  f: { name: 'log', words: 'write what comes to a file, or stop it' },
  t: { name: 'stamps', words: 'time stamps before each line, or none' },
  g: { name: 'line', words: 'then d or r: switch DTR or RTS' },
  L: { name: 'lines', words: 'show the modem lines' },
  u: { name: 'send', words: 'send a file as text, slowly enough for a boot loader' },
  s: { name: 'statistics', words: 'show statistics' },
} as const;

export type ConsoleCommand = (typeof consoleCommands)[keyof typeof consoleCommands]['name'];

export type KeyEvent =
  /** For the device. */
  | { type: 'input'; bytes: Buffer }
  | { type: 'command'; name: Exclude<ConsoleCommand, 'sysrq' | 'line' | 'send'> }
  | { type: 'sysrq'; key: string }
  | { type: 'line'; line: 'dtr' | 'rts' }
  /** A file to send. */
  | { type: 'send'; path: string }
  /** For the person's own screen. */
  | { type: 'say'; text: string };

/** The byte of a key as people write it: `ctrl-t`, `^T`. Undefined for `none`. Throws on anything else. */
export function parsePrefix(text: string): number | undefined {
  if (text === 'none') return undefined;
  const match = /^(?:ctrl-|\^)([a-z\]\\^_])$/i.exec(text);
  if (!match?.[1]) throw new Error(`${JSON.stringify(text)} is no prefix key: write ctrl-t, ctrl-a, ctrl-] … or none`);
  return match[1].toUpperCase().charCodeAt(0) & 0x1f;
}

/** How people write the key of a byte. */
export function prefixName(byte: number): string {
  return `ctrl-${String.fromCharCode(byte | 0x40).toLowerCase()}`;
}

/** Takes the person's commands out of what is typed; everything else is for the device. */
export class PrefixKeys {
  readonly #prefix: number | undefined;
  #state: 'typing' | 'prefix' | 'sysrq' | 'line' | 'path' = 'typing';
  #path: number[] = [];

  constructor(prefix: number | undefined) {
    this.#prefix = prefix;
  }

  push(chunk: Buffer): KeyEvent[] {
    const events: KeyEvent[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#state === 'typing') {
        if (byte !== this.#prefix) continue;
        if (at > from) events.push({ type: 'input', bytes: chunk.subarray(from, at) });
        this.#state = 'prefix';
      } else {
        events.push(...this.#command(byte));
      }
      from = at + 1;
    }
    if (from < chunk.length) events.push({ type: 'input', bytes: chunk.subarray(from) });
    return events;
  }

  #command(byte: number): KeyEvent[] {
    const key = String.fromCharCode(byte);
    const state = this.#state;
    if (state === 'path') return this.#typePath(byte);
    this.#state = 'typing';
    if (state === 'sysrq')
      return [/^[!-~]$/.test(key) ? { type: 'sysrq', key } : { type: 'say', text: 'no SysRq was sent' }];
    if (state === 'line') {
      if (key !== 'd' && key !== 'r') return [{ type: 'say', text: 'neither d (DTR) nor r (RTS)' }];
      return [{ type: 'line', line: key === 'd' ? 'dtr' : 'rts' }];
    }
    // Typed twice it is for the device.
    if (byte === this.#prefix) return [{ type: 'input', bytes: Buffer.of(byte) }];
    if (!isCommandKey(key)) return [{ type: 'say', text: `${JSON.stringify(key)} is no command; ? lists them` }];
    const { name } = consoleCommands[key];
    switch (name) {
      case 'sysrq':
        this.#state = 'sysrq';
        return [{ type: 'say', text: 'SysRq: which key?' }];
      case 'line':
        this.#state = 'line';
        return [{ type: 'say', text: 'which line, d (DTR) or r (RTS)?' }];
      case 'send':
        this.#state = 'path';
        this.#path = [];
        return [{ type: 'say', text: 'which file? Enter sends it, Esc does not' }];
      default:
        return [{ type: 'command', name }];
    }
  }

  #typePath(byte: number): KeyEvent[] {
    const isEnd = byte === 0x0d || byte === 0x0a;
    if (byte === 0x1b || byte === 0x03 || (isEnd && this.#path.length === 0)) {
      this.#state = 'typing';
      return [{ type: 'say', text: 'nothing was sent' }];
    }
    if (isEnd) {
      this.#state = 'typing';
      return [{ type: 'send', path: Buffer.from(this.#path).toString('utf8') }];
    }
    if (byte === 0x7f || byte === 0x08) this.#path.pop();
    else if (byte >= 0x20) this.#path.push(byte);
    return [];
  }
}

/** The list that `?` shows. */
export function helpLines(prefix: number): string[] {
  const name = prefixName(prefix);
  return [
    `${name} and then`,
    ...Object.entries(consoleCommands).map(([key, { words }]) => `  ${key}  ${words}`),
    `  ${name}  send ${name} itself`,
  ];
}

function isCommandKey(key: string): key is keyof typeof consoleCommands {
  return Object.hasOwn(consoleCommands, key);
}
