import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * Runs a program on our own terminal, or pipes, to its end. Resolves to its exit code, 128 + the signal's number when one
 * ended it. Ctrl-C is the program's meanwhile. Rejects when it cannot be started.
 */
export function runProgram(file: string, words: string[]): Promise<number> {
  const ignore = () => undefined;
  process.on('SIGINT', ignore);
  return new Promise<number>((resolve, reject) => {
    const child = spawn(file, words, { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  }).finally(() => process.off('SIGINT', ignore));
}
