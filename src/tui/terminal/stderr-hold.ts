const mostHeld = 64 * 1024;

/** Keeps warnings of libraries from being written into the middle of the screen: they come out when it is gone. */
export class StderrHold {
  private original: typeof process.stderr.write | undefined;
  private held: Uint8Array[] = [];
  private bytes = 0;

  hold(): void {
    if (this.original) return;
    this.original = process.stderr.write;
    process.stderr.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      if (this.bytes + bytes.length <= mostHeld) {
        this.held.push(bytes);
        this.bytes += bytes.length;
      }
      const done = rest.at(-1);
      if (typeof done === 'function') process.nextTick(done);
      return true;
    }) as typeof process.stderr.write;
  }

  release(): void {
    if (!this.original) return;
    process.stderr.write = this.original;
    this.original = undefined;
    for (const chunk of this.held) process.stderr.write(chunk);
    this.held = [];
    this.bytes = 0;
  }
}
