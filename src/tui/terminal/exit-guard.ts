import { constants } from 'node:os';
import { sanitizeText } from '../../shared/text/sanitize.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export interface ExitGuard {
  /** From here on the process ends as it would have without us. */
  remove(): void;
}

/**
 * Gives the terminal back on every way out of the process: signals, exceptions and rejections nobody caught, and
 * `process.exit` from anywhere. `restore` must be synchronous and may be called more than once; `cleanUp` runs once,
 * except on `process.exit`, where nothing can be waited for.
 */
export function guardExits(restore: () => void, cleanUp: () => Promise<void>): ExitGuard {
  let leaving = false;
  const leave = (code: number, error?: unknown) => {
    restore();
    if (error !== undefined) report(error);
    if (leaving) return;
    leaving = true;
    void cleanUp()
      .catch(report)
      .finally(() => process.exit(code));
  };
  const onSignal = (signal: NodeJS.Signals) => leave(128 + constants.signals[signal]);
  const onError = (error: unknown) => leave(1, error ?? new Error('unknown error'));
  // The terminal itself can be gone (its window was closed): then there is nothing left to restore.
  const onOutputError = () => undefined;
  for (const signal of signals) process.on(signal, onSignal);
  process.on('uncaughtException', onError);
  process.on('unhandledRejection', onError);
  process.on('exit', restore);
  process.stdout.on('error', onOutputError);
  return {
    remove() {
      for (const signal of signals) process.off(signal, onSignal);
      process.off('uncaughtException', onError);
      process.off('unhandledRejection', onError);
      process.off('exit', restore);
      process.stdout.off('error', onOutputError);
    },
  };
}

/** An error can quote the device: it is shown as every text from there. */
function report(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  console.error(sanitizeText(text, { color: false }));
}
