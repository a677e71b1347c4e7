// Runs a program in this one's place: same terminal, same signals, same end.
import { spawn } from 'node:child_process';

/**
 * Runs a program with this process's standard streams and resolves with how it ended. Rejects when it cannot be started.
 * A terminal sends its signals to both of us. Only what a terminal does not send is passed on, else it would arrive twice.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
export function runInPlace(program, args, options = {}) {
  const child = spawn(program, args, { stdio: 'inherit', ...options });
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const handlers = ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'].map((signal) => {
    const fromTerminal = signal === 'SIGINT' || signal === 'SIGQUIT';
    const handler = () => {
      if (!(fromTerminal && terminal)) child.kill(/** @type {NodeJS.Signals} */ (signal));
    };
    process.on(signal, handler);
    return /** @type {const} */ ([signal, handler]);
  });
  return new Promise((resolve, reject) => {
    const done = () => {
      for (const [signal, handler] of handlers) process.removeListener(signal, handler);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      done();
      resolve({ code: code ?? 1, signal });
    });
  });
}

/**
 * Ends this process as the program ended: whoever waits for us sees the same code, or the same signal.
 * @param {{ code: number, signal: NodeJS.Signals | null }} end
 */
export function endAs({ code, signal }) {
  process.exitCode = code;
  if (signal !== null) process.kill(process.pid, signal);
}
