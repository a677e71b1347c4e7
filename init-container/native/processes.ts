import { readFileSync } from 'node:fs';

/** A process, named so that a reused PID is not mistaken for it. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to its start: field 22 of /proc/PID/stat. */
  startTicks: number;
}

export interface ProcStat {
  pid: number;
  command: string;
  /** `Z` is a process that has ended and was not reaped yet. */
  state: string;
  ppid: number;
  tty: number;
  userTicks: number;
  systemTicks: number;
  startTicks: number;
}

/** Parses /proc/PID/stat; the command may hold spaces and parentheses. Undefined when it is not such a line. */
export function parseProcStat(text: string): ProcStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const rest = text
    .slice(close + 2)
    .trim()
    .split(' ');
  const number = (index: number) => Number(rest[index]);
  const stat: ProcStat = {
    pid: Number(text.slice(0, open)),
    command: text.slice(open + 1, close),
    state: rest[0] ?? '',
    ppid: number(1),
    tty: number(4),
    userTicks: number(11),
    systemTicks: number(12),
    startTicks: number(19),
  };
  return Number.isInteger(stat.pid) && Number.isInteger(stat.startTicks) ? stat : undefined;
}

/** Undefined when there is no such process. */
export async function procStat(pid: number): Promise<ProcStat | undefined> {
  try {
    // The kernel answers from memory at once: cheaper than sending the question through a thread, four times a file.
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The running process with this PID; undefined when there is none or it has ended. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await procStat(pid);
  return stat && stat.state !== 'Z' && stat.state !== 'X' ? { pid, startTicks: stat.startTicks } : undefined;
}

export async function isRunning(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startTicks === identity.startTicks;
}

/** Sends a signal; false when the process has ended already. */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isRunning(identity))) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
