import { connect } from 'node:net';
import { type ConsoleAgent, startConsoleAgent } from '../console/agent.ts';
import { consoleTty } from '../console/console-tty.ts';
import { rescueLines } from '../console/rescue.ts';
import type { ShellSession } from '../console/shell.ts';
import { machineCommand } from '../native/host-command.ts';
import { journal } from '../native/journal.ts';
import { distribution } from '../native/machine.ts';
import { spawnPty } from '../native/pty.ts';
import type { Halt } from '../supervisor/fleet.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import type { Running } from './ending.ts';

/** The device's end of the serial line. Undefined where there is none, or where it belongs to a distribution. */
export function startConsole(apiSocket: string, supervisor: ContainerSupervisor): ConsoleAgent | undefined {
  const tty = distribution === undefined ? consoleTty() : undefined;
  if (tty === undefined) return undefined;
  return startConsoleAgent({
    tty,
    openApi: () => connect({ path: apiSocket, allowHalfOpen: true }),
    openShell,
    leftRescue: () => supervisor.goOn(),
    log: journal,
  });
}

/** The console is where a person looks when a boot does not come to its end. */
export async function showHalt(halt: Halt | undefined, running: Running): Promise<void> {
  const lines = halt && (await rescueLines(halt));
  // It may have gone on while the log was being read.
  if (halt && running.supervisor?.haltedAt !== halt.component.name) return;
  for (const line of lines ?? []) journal(line);
  running.console?.rescue(lines);
}

async function openShell({ columns, rows }: { columns: number; rows: number }): Promise<ShellSession> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', TERM: 'vt102' };
  const { stream, resize, exited, hangUp } = await spawnPty(machineCommand(['/bin/sh', '-l']), { columns, rows, env });
  stream.once('close', hangUp);
  return { stream, resize: async (c: number, r: number) => resize(c, r), exited };
}
