/**
 * Where a log was when its stream broke, so that the next stream goes on there: nothing twice, nothing lost. Docker's
 * `since` counts whole seconds, so the lines of the last second come again and are recognised by their times.
 */
export class ResumePoint {
  private last = '';
  /** Lines seen with exactly the time `last`. */
  private seenAtLast = 0;
  private skippable = 0;
  private resuming = false;

  /** Options for the next stream: the newest `tail` lines at first, later what follows the last one. */
  options(tail: number): { tail: number } | { since: number } {
    if (this.last === '') return { tail };
    this.resuming = true;
    this.skippable = this.seenAtLast;
    return { since: Math.floor(Date.parse(this.last) / 1000) };
  }

  /** Whether a line with this time was in the stream before; to be asked once for each line, in order. */
  isKnown(time: string | undefined): boolean {
    if (time === undefined) return false;
    const comparable = withNanoseconds(time);
    if (this.resuming) {
      if (comparable < this.last) return true;
      if (comparable === this.last && this.skippable > 0) {
        this.skippable--;
        return true;
      }
      if (comparable > this.last) this.resuming = false;
    }
    this.seenAtLast = comparable === this.last ? this.seenAtLast + 1 : 1;
    this.last = comparable;
    return false;
  }
}

/** `…T01:02:03.5Z` → `…T01:02:03.500000000Z`: comparable as text. */
function withNanoseconds(time: string): string {
  const match = /^([^.Z]*)(?:\.(\d{1,9}))?Z$/.exec(time);
  return match ? `${match[1]}.${(match[2] ?? '').padEnd(9, '0')}Z` : time;
}
