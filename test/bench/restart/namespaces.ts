import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** Namespaces with a process tree of their own: when this process ends, however, the kernel ends all that is in them. */
export interface Namespaces {
  /** Their PID 1 as this machine numbers it: the way in for `nsenter`. */
  pid: number;
  /** Resolves when everything in them has ended. */
  ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Runs a shell script as PID 1 of new mount, network, process and cgroup namespaces. `log` gets what it prints; `cgroup`
 * is a name for its cgroup, removed at the end. Needs root. Throws when the namespaces cannot be made.
 */
export async function startInNamespaces(
  script: string,
  args: string[],
  { log, cgroup }: { log: string; cgroup: string },
): Promise<Namespaces> {
  const own = mountPoints('cgroup2')[0];
  if (own !== undefined) mkdirSync(join(own, cgroup), { recursive: true });
  const output = openSync(log, 'w', 0o600);
  const flags = ['--mount', '--net', '--pid', '--fork', '--kill-child'];
  const command = ['unshare', ...flags, 'sh', script, ...args, cgroup];
  const enter = own === undefined ? 'exec "$@"' : inCgroup(join(own, cgroup));
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', enter, 'sh', ...command], {
    stdio: ['ignore', output, output],
    detached: true,
  });
  closeSync(output);
  const ended = once(child, 'close').then(() => removeCgroups(cgroup));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  try {
    return { pid: await firstChild(child), ended, stop };
  } catch (cause) {
    await stop();
    throw new Error(`namespaces could not be made: ${readFileSync(log, 'utf8').trim()}`, { cause });
  }
}

/**
 * The shell command that runs its arguments in a cgroup namespace which begins at `folder`. As the kernel lets none but
 * the true root have processes and give controllers to cgroups below it, the first processes are in one of those: crun
 * would try for two seconds at each start to give them away. Its name is the one where systemd looks for itself.
 */
function inCgroup(folder: string): string {
  const move = (to: string) => `echo 0 >'${join(to, 'cgroup.procs')}'`;
  const first = join(folder, 'init.scope');
  return `mkdir -p '${first}' && ${move(folder)} && exec unshare --cgroup sh -c "${move(first)}"' && exec "$@"' sh "$@"`;
}

/** The process that `unshare` forks. */
async function firstChild(parent: ChildProcess): Promise<number> {
  const end = performance.now() + 10_000;
  while (parent.exitCode === null && parent.signalCode === null && performance.now() < end) {
    const text = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim();
    const isUnshare = readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim() === 'unshare';
    if (isUnshare && /^\d+$/.test(text)) return Number(text);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('no process appeared in them');
}

/** The processes have been killed; a cgroup can go when the kernel has buried the last one. */
async function removeCgroups(name: string): Promise<void> {
  for (const mountPoint of [...mountPoints('cgroup2'), ...mountPoints('cgroup')]) {
    const folder = join(mountPoint, name);
    for (let attempt = 0; attempt < 100 && !removeTree(folder); attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function removeTree(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function mountPoints(type: string): string[] {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  return mounts.map((line) => line.split(' ')).flatMap(([, path, kind]) => (kind === type && path ? [path] : []));
}
