import { spawn } from 'node:child_process';
import { hostCommand } from './host-command.ts';

export interface RunResult {
  /** 128 + signal number is not used here: undefined when a signal or the deadline ended it. */
  code: number | undefined;
  /** At most 64 KiB each; what comes later is dropped. */
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

const outputLimit = 64 * 1024;

/** How long output may come after the command itself has ended: what it left running in the background may hold it open. */
const lateOutputMs = 500;

/** Runs a command in the device's mount namespace to its end. Rejects only when it cannot be started at all. */
export function runOnHost(argv: string[], options: { timeoutMs?: number } = {}): Promise<RunResult> {
  return run(hostCommand(argv), options);
}

/**
 * Runs a command to its end, not to that of what it leaves running; SIGKILL at `timeoutMs`. Rejects only when it cannot be
 * started at all.
 */
export function run(argv: string[], options: { timeoutMs?: number } = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const [file = '', ...args] = argv;
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8');
      child[name].on('data', (text: string) => {
        if (output[name].length < outputLimit) output[name] += text.slice(0, outputLimit - output[name].length);
      });
    }
    let timedOut = false;
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true;
            child.kill('SIGKILL');
          }, options.timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`cannot run ${argv.join(' ')}: ${error.message}`, { cause: error }));
    });
    let late: NodeJS.Timeout | undefined;
    child.on('exit', () => {
      clearTimeout(timer);
      late = setTimeout(() => {
        for (const name of ['stdout', 'stderr'] as const) child[name].destroy();
      }, lateOutputMs);
    });
    child.on('close', (code) => {
      clearTimeout(late);
      resolve({ code: code ?? undefined, ...output, timedOut });
    });
  });
}

/** As `runOnHost`, but anything but exit code 0 rejects with what the command said. */
export async function runOnHostOrThrow(argv: string[], options: { timeoutMs?: number } = {}): Promise<string> {
  const result = await runOnHost(argv, options);
  if (result.code === 0) return result.stdout;
  const why = result.timedOut ? `no end after ${options.timeoutMs} ms` : `exit code ${result.code ?? 'none (killed)'}`;
  throw new Error(`${argv.slice(0, 3).join(' ')}: ${result.stderr.trim() || result.stdout.trim() || why}`);
}
