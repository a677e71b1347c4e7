import { connect } from 'node:net';
import { join } from 'node:path';
import { readAccess } from '../../src/shared/definition/read-access.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { type ConsoleAgent, startConsoleAgent } from '../console/agent.ts';
import { consoleTty } from '../console/console-tty.ts';
import { LoggedIn } from '../console/logged-in.ts';
import { rescueLines } from '../console/rescue.ts';
import type { ShellSession } from '../console/shell.ts';
import { endStandIn } from '../console/stand-in.ts';
import { machineCommand } from '../native/host-command.ts';
import { journal } from '../native/journal.ts';
import { distribution } from '../native/machine.ts';
import { spawnPty } from '../native/pty.ts';
import type { Halt } from '../supervisor/fleet.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import type { Running } from './ending.ts';

/**
 * The device's end of the serial line. Undefined where there is none, where it belongs to a distribution, and where the OS
 * definition has switched it off.
 */
export async function startConsole(
  apiSocket: string,
  supervisor: ContainerSupervisor,
): Promise<ConsoleAgent | undefined> {
  const tty = distribution === undefined ? consoleTty() : undefined;
  if (tty === undefined) return undefined;
  const access = readAccess();
  if (access.console === 'off') return undefined;
  await endStandIn();
  const loggedIn = new LoggedIn(join(devicePaths.run, 'console-logins'), access);
  return startConsoleAgent({
    tty,
    openApi: () => connect({ path: apiSocket, allowHalfOpen: true }),
    openShell: (size) => openShell(size, loggedIn),
    whyNoApi: () => loggedIn.whyNoApi(),
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

/** What the base has for whoever comes over the line: asks for the password if there is one, then it is gsh. */
const consoleProgram = '/usr/lib/gantry/console';

async function openShell(size: { columns: number; rows: number }, loggedIn: LoggedIn): Promise<ShellSession> {
  const file = loggedIn.file();
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    TERM: 'vt102',
    GANTRY_CONSOLE: file,
  };
  const pty = await spawnPty(machineCommand([consoleProgram]), { ...size, env });
  pty.stream.once('close', () => {
    loggedIn.ended(file);
    pty.hangUp();
  });
  return { stream: pty.stream, resize: async (c: number, r: number) => pty.resize(c, r), exited: pty.exited };
}
