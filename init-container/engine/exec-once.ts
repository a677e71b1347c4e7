import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { identify, signalProcess } from '../native/processes.ts';
import { runOnHost } from '../native/run.ts';
import { containerProcess } from './container-process.ts';
import { containerPaths } from './paths.ts';

let counter = 0;

/**
 * Runs a command in a running container, as its own user, to its end. At `timeoutMs` it is killed and the exit code is
 * -1. Output is what it printed on both streams.
 */
export async function execInContainer(
  instance: string,
  argv: string[],
  timeoutMs: number,
): Promise<{ exitCode: number; output: string }> {
  const pidFile = join(containerPaths(instance).folder, `probe-${process.pid}-${counter++}.pid`);
  // Killing crun would leave the command running in the container: it is the command that must be killed.
  let late = false;
  const killer = setTimeout(() => {
    late = true;
    void killByPidFile(pidFile);
  }, timeoutMs);
  try {
    const command = ['crun', 'exec', '--pid-file', pidFile, ...(await restrictionsOf(instance)), instance, ...argv];
    const result = await runOnHost(command, { timeoutMs: timeoutMs + 2000 });
    const output = `${result.stdout}${result.stderr}`.trim();
    if (late) return { exitCode: -1, output: `no end after ${timeoutMs} ms. ${output}` };
    return { exitCode: result.code ?? 1, output };
  } finally {
    clearTimeout(killer);
    await rm(pidFile, { force: true });
  }
}

/** crun gives a command the container's user, capabilities and filter by itself, but not this. */
async function restrictionsOf(instance: string): Promise<string[]> {
  const { noNewPrivileges } = await containerProcess(containerPaths(instance).spec);
  return noNewPrivileges ? ['--no-new-privs'] : [];
}

/** SIGKILL to the process whose PID crun wrote to a file, if it is still there. */
export async function killByPidFile(path: string): Promise<void> {
  const identity = await readPidFile(path);
  if (identity) await signalProcess(identity, 'SIGKILL');
}

export async function readPidFile(path: string) {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^\d+\s*$/.test(text) ? identify(Number(text)) : undefined;
}
