import type { OnProgress } from '../compose/progress.ts';

/**
 * Prints long steps to stderr: what goes on, how large it is, and the seconds since the start. On a terminal one line is
 * written over and over; elsewhere each step gets a line of its own.
 */
export function progressPrinter(): { report: OnProgress; done(text: string): void } {
  const started = Date.now();
  const live = process.stderr.isTTY === true;
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(1)} s`.padStart(8);
  const line = (text: string, final: boolean) => {
    if (!live) process.stderr.write(`${text}\n`);
    else process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}${final ? '\n' : ''}`);
  };
  return {
    report: ({ step, detail, totalBytes }) => {
      const size = totalBytes === undefined ? '' : ` (${(totalBytes / 1e6).toFixed(1)} MB)`;
      line(`${seconds()}  ${step}${detail === undefined ? '' : `: ${detail}`}${size}`, step === 'warning');
    },
    done: (text) => line(`${seconds()}  ${text}`, true),
  };
}
