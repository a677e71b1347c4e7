// Runs a program in this one's place: same terminal, same signals, same end.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Runs a program with this process's standard streams and resolves with how it ended. Rejects when it cannot be started.
 * A terminal sends its signals to both of us. Only what a terminal does not send is passed on, else it would arrive twice.
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
export function runInPlace(program, args, options = {}) {
  return waitFor(spawn(program, args, { stdio: 'inherit', ...options }));
}

/**
 * As `runInPlace`, for one of several programs at a time: it gets no input, and each line that it prints begins with `name`.
 * @param {string} name
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
export function runBeside(name, program, args, options = {}) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const [from, to] of /** @type {const} */ ([
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])) {
    if (from) createInterface({ input: from }).on('line', (line) => to.write(`${name} | ${line}\n`));
  }
  return waitFor(child);
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
function waitFor(child) {
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
