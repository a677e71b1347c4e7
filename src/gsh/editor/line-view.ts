import { displayWidth } from '../../shared/text/width.ts';

/**
 * Draws one line after a prompt with nothing but its characters, spaces and backspaces, so that it works on every
 * terminal. A line that is too long is shown in part, so that it never wraps.
 */
export class LineView {
  /** What is on the screen after the prompt, and at which character of it the cursor is. */
  #shown: string[] = [];
  #cursor = 0;
  /** The first character of the line that is shown. */
  #from = 0;

  /** Nothing is on the screen but the prompt. */
  reset(): void {
    this.#shown = [];
    this.#cursor = 0;
    this.#from = 0;
  }

  /** What makes the screen show `line` with the cursor at `at`, in at most `room` columns. */
  draw(line: readonly string[], at: number, room: number): string {
    this.#scroll(line, at, room);
    const next: string[] = [];
    let used = 0;
    for (const char of line.slice(this.#from)) {
      used += widthOf([char]);
      if (used > room) break;
      next.push(char);
    }
    const cursor = at - this.#from;
    const old = this.#shown;
    let same = 0;
    while (same < old.length && old[same] === next[same]) same++;
    const isSame = same === old.length && same === next.length;
    if (isSame) same = cursor;
    const steps: string[] = [this.#move(this.#cursor, same)];
    if (!isSame) {
      const rest = next.slice(same);
      const left = Math.max(0, widthOf(old.slice(same)) - widthOf(rest));
      steps.push(...rest, ' '.repeat(left), '\b'.repeat(left + widthOf(next.slice(cursor))));
    }
    this.#shown = next;
    this.#cursor = cursor;
    return steps.join('');
  }

  /** From one character of what is on the screen to another. */
  #move(from: number, to: number): string {
    if (to < from) return '\b'.repeat(widthOf(this.#shown.slice(to, from)));
    return this.#shown.slice(from, to).join('');
  }

  #scroll(line: readonly string[], at: number, room: number): void {
    if (widthOf(line) <= room) this.#from = 0;
    else if (at < this.#from) this.#from = Math.max(0, at - Math.floor(room / 3));
    while (widthOf(line.slice(this.#from, at)) > room) this.#from = Math.min(at, this.#from + Math.ceil(room / 3));
  }
}

const widthOf = (chars: readonly string[]) => displayWidth(chars.join(''));
