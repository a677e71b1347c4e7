import { readFileSync } from 'node:fs';

/** Whether the kernel was started with this word on its command line, as `gantry.watchdog=off`. */
export function hasKernelOption(word: string): boolean {
  try {
    return readFileSync('/proc/cmdline', 'utf8').split(/\s+/).includes(word);
  } catch {
    return false;
  }
}
