/** Bytes of a frame that are not its content: marks, kind, mask, number, stream, offset, CRC. */
const OVERHEAD = 12;
/** Bytes after which what was seen counts a third. */
const MEMORY = 192 * 1024;
/** What is believed before anything was seen: so many errors in so many bytes. */
const PRIOR_ERRORS = 0.05;
const PRIOR_BYTES = 8 * 1024;

/** How often a line damages what it carries, and how long frames should be on it. */
export class ErrorEstimate {
  #bytes = 0;
  #errors = 0;

  /** A frame of `bytes` arrived, or did not. */
  count(bytes: number, isLost: boolean): void {
    const kept = Math.exp(-bytes / MEMORY);
    // Where in a lost frame the error was is unknown: half of it was good.
    this.#bytes = this.#bytes * kept + (isLost ? bytes / 2 : bytes);
    this.#errors = this.#errors * kept + (isLost ? 1 : 0);
  }

  /** Errors per byte. */
  get rate(): number {
    return (this.#errors + PRIOR_ERRORS) / (this.#bytes + PRIOR_BYTES);
  }

  /** Bytes of content at which the overhead of frames and what is sent again take least together. */
  get bestSize(): number {
    return Math.sqrt(OVERHEAD / this.rate);
  }
}
