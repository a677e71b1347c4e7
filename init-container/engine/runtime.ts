import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { journal } from '../native/journal.ts';
import { identify, type ProcessIdentity, signalProcess } from '../native/processes.ts';
import { runOnHost, runOnHostOrThrow } from '../native/run.ts';
import { readExitCode } from './exits.ts';
import { cgroupRoot, conmonCgroup, containerPaths } from './paths.ts';

const timeoutMs = 60_000;

/** conmon ends a few milliseconds after its container; one that takes longer than this hangs. */
const conmonEndMs = 3000;

/** The processes of a container that runs; conmon's is unknown when it has just been killed. */
export interface ContainerProcesses {
  process: ProcessIdentity;
  conmon: ProcessIdentity | undefined;
}

/** Lets a created container run. Rejects with crun's words. */
export async function letRun(instance: string): Promise<void> {
  await runOnHostOrThrow(['crun', 'start', instance], { timeoutMs });
}

/**
 * Ends what is left of a container: its processes, its cgroup, crun's state, and waits for its conmon: the exit file that this
 * one may still write must not be taken for that of the next start. Does nothing when crun knows none.
 */
export async function removeFromRuntime(instance: string): Promise<void> {
  const result = await runOnHost(['crun', 'delete', '--force', instance], { timeoutMs });
  if (result.code !== 0 && !/does not exist|No such file/i.test(result.stderr)) {
    throw new Error(`crun cannot remove the old container ${instance}: ${result.stderr.trim()}`);
  }
  await untilConmonEnds(instance);
}

/** By its cgroup, which nobody else is in: a number in a file may be another process's by now. */
async function untilConmonEnds(instance: string): Promise<void> {
  const processes = async () => {
    const text = await readFile(`${cgroupRoot}${conmonCgroup(instance)}/cgroup.procs`, 'utf8').catch(() => '');
    return text.split('\n').filter(Boolean).map(Number);
  };
  const ends = async () => {
    const end = performance.now() + conmonEndMs;
    while ((await processes()).length > 0 && performance.now() < end) await delay(5);
    return (await processes()).length === 0;
  };
  if (await ends()) return;
  journal(`${instance}: its conmon does not end by itself; killing it`);
  for (const pid of await processes()) {
    const conmon = await identify(pid);
    if (conmon) await signalProcess(conmon, 'SIGKILL');
  }
  if (!(await ends())) throw new Error(`the old container's conmon cannot be ended: ${instance}`);
}

/**
 * What became of a start whose end this process did not see. `exited`: it ran, and conmon left its exit code. Undefined
 * when the container was not started.
 */
export async function findStarted(instance: string): Promise<ContainerProcesses | 'exited' | undefined> {
  // Those files were removed when that start began: what is there now is its own.
  if (readExitCode(instance) !== undefined) return 'exited';
  const { pidFile } = containerPaths(instance);
  const state = await runOnHost(['crun', 'state', instance], { timeoutMs });
  if (state.code !== 0 || !/"status"\s*:\s*"running"/.test(state.stdout)) return undefined;
  const [process, conmon] = [await identifyFile(pidFile), await findConmon(instance)];
  if (process) return { process, conmon };
  return readExitCode(instance) === undefined ? undefined : 'exited';
}

/** The conmon that wrote its pidfile last, if it is still there. */
export function findConmon(instance: string): Promise<ProcessIdentity | undefined> {
  return identifyFile(containerPaths(instance).conmonPidFile);
}

async function identifyFile(path: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^\d+\s*$/.test(text) ? identify(Number(text)) : undefined;
}
