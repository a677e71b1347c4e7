import { readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Only emergencies: a panic still prints. */
const EMERGENCIES = 1;

/**
 * Keeps the kernel from printing on the console while it carries frames. While the kernel prints, the UART loses what it
 * receives. The level from before is kept in a file, so that it comes back even when this process was killed meanwhile.
 */
export class KernelLogLevel {
  readonly #printk: string;
  readonly #saved: string;
  readonly #log: (line: string) => void;

  /** `printk`: /proc/sys/kernel/printk. `saved`: a file that does not outlive a boot. */
  constructor(printk: string, saved: string, log: (line: string) => void) {
    this.#printk = printk;
    this.#saved = saved;
    this.#log = log;
  }

  lower(): void {
    this.#attempt(() => {
      const level = Number.parseInt(readFileSync(this.#printk, 'latin1'), 10);
      if (!(level > EMERGENCIES)) return;
      writeFileSync(this.#saved, `${level}\n`);
      writeFileSync(this.#printk, `${EMERGENCIES}\n`);
    });
  }

  /** Also at start, for what a killed process left behind. */
  restore(): void {
    this.#attempt(() => {
      const level = Number.parseInt(readIfThere(this.#saved), 10);
      if (!(level > EMERGENCIES && level <= 15)) return;
      writeFileSync(this.#printk, `${level}\n`);
      rmSync(this.#saved, { force: true });
    });
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#log(`console: the kernel's log level cannot be changed: ${(error as Error).message}`);
    }
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
