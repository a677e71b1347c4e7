import type { LogRing } from './log-ring.ts';

const allSgr = /\x1b\[[0-9;]*m/g;

/** The text without colours: what a search looks at. */
export function plainText(text: string): string {
  return text.includes('\x1b') ? text.replace(allSgr, '') : text;
}

/**
 * Finds a text in a log ring, a slice at a time, so that neither a key nor a frame waits for it. Lower-case queries
 * ignore case. Lines that arrive later are found too.
 */
export class LogSearch {
  readonly query: string;
  private readonly ring: LogRing;
  private readonly ignoreCase: boolean;
  private found: number[] = [];
  private next: number;

  constructor(ring: LogRing, query: string) {
    this.ring = ring;
    this.query = query;
    this.ignoreCase = query === query.toLowerCase();
    this.next = ring.first;
  }

  /** Ids of matching entries found so far, oldest first. */
  get matches(): readonly number[] {
    return this.found;
  }

  /** Looks at up to `entries` more entries. Returns whether everything has been looked at. */
  advance(entries: number): boolean {
    const { ring } = this;
    if (this.found.length > 0 && (this.found[0] ?? 0) < ring.first) {
      this.found = this.found.filter((id) => id >= ring.first);
    }
    this.next = Math.max(this.next, ring.first);
    const stop = Math.min(ring.end, this.next + entries);
    for (; this.next < stop; this.next++) {
      const entry = ring.get(this.next);
      if (entry && entry.kind !== 'note' && this.matchesText(plainText(entry.text))) this.found.push(this.next);
    }
    return this.next >= ring.end;
  }

  /** The nearest match after (`direction` 1) or before (-1) the entry `from`; goes round at the ends. */
  nearest(from: number, direction: 1 | -1): number | undefined {
    if (direction === 1) return this.found.find((id) => id > from) ?? this.found[0];
    return this.found.findLast((id) => id < from) ?? this.found.at(-1);
  }

  /** `text` with every occurrence shown inverse. Colours of the line give way to that. */
  highlight(text: string): string {
    const plain = plainText(text);
    const haystack = this.ignoreCase ? plain.toLowerCase() : plain;
    if (this.query === '' || haystack.length !== plain.length || !haystack.includes(this.query)) return text;
    let out = '';
    let from = 0;
    for (let at = haystack.indexOf(this.query); at !== -1; at = haystack.indexOf(this.query, from)) {
      out += `${plain.slice(from, at)}\x1b[7m${plain.slice(at, at + this.query.length)}\x1b[27m`;
      from = at + this.query.length;
    }
    return out + plain.slice(from);
  }

  private matchesText(text: string): boolean {
    return this.query !== '' && (this.ignoreCase ? text.toLowerCase() : text).includes(this.query);
  }
}
