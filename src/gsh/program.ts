import { hostname } from 'node:os';
import { Command } from 'commander';
import { connectBy } from '../cli/connector.ts';
import { ExitError, exitCodes } from '../cli/exit-codes.ts';
import { runWords } from '../cli/run-words.ts';
import { GantryDevice } from '../device/gantry-device.ts';
import { devicePaths } from '../shared/device-paths.ts';
import { gantryVersion } from '../shared/version.ts';
import { UnixTransport } from '../transport/unix.ts';

interface CommandModule {
  register(program: Command): void;
}

/** The commands of `gantry` that are about one device, the same code, and those that only make sense on the device. */
export const commands: Record<string, () => Promise<CommandModule>> = {
  ps: () => import('../cli/ps.ts'),
  inspect: () => import('../cli/inspect.ts'),
  logs: () => import('../cli/logs.ts'),
  dmesg: () => import('./commands/dmesg.ts'),
  events: () => import('../cli/events.ts'),
  stats: () => import('../cli/stats.ts'),
  top: () => import('./commands/top.ts'),
  start: () => import('../cli/start.ts'),
  stop: () => import('../cli/stop.ts'),
  restart: () => import('../cli/restart.ts'),
  exec: () => import('../cli/exec.ts'),
  swap: () => import('../cli/swap.ts'),
  rollback: () => import('../cli/rollback.ts'),
  revisions: () => import('../cli/revisions.ts'),
  diff: () => import('../cli/diff.ts'),
  gc: () => import('../cli/gc.ts'),
  info: () => import('../cli/info.ts'),
  net: () => import('./commands/net.ts'),
  df: () => import('./commands/df.ts'),
  sh: () => import('./commands/sh.ts'),
  recover: () => import('./commands/recover.ts'),
  power: () => import('../cli/power.ts'),
  reboot: () => import('./commands/reboot.ts'),
  poweroff: () => import('./commands/poweroff.ts'),
};

const description = `The shell of this device. Without a command: a prompt. The commands, their output and their exit codes are those of
"gantry" on a host; a leading word "gantry" may stay.`;

const afterHelp = `
At the prompt: Tab completes, the arrow keys edit and go back in the history, Ctrl-C ends what runs, Ctrl-D leaves.
Exit codes: ${exitCodes.ok} done, ${exitCodes.failed} failed, ${exitCodes.usage} wrong usage, ${exitCodes.unreachable} init container does not answer, ${exitCodes.rolledBack} swap rolled back, ${exitCodes.interrupted} interrupted;
exec and sh: those of the process.`;

connectBy(async (target, { signal }) => {
  if (target !== undefined) throw new ExitError(exitCodes.usage, 'gsh is the shell of this device: leave -d out');
  const device = new GantryDevice(hostname(), new UnixTransport(devicePaths.apiSocket));
  const abort = () => void device.close();
  signal?.addEventListener('abort', abort);
  try {
    await device.connect();
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  return device;
});

/** The program with one of its commands, or with all. */
export async function makeProgram(only?: string): Promise<Command> {
  const program = new Command('gsh');
  program
    .description(description)
    .version(gantryVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', afterHelp)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .action(() => program.help());
  const load = only === undefined ? Object.values(commands) : [commands[only]];
  for (const module of load) {
    if (module) (await module()).register(program);
  }
  return program;
}

/** Runs one command line and resolves to its exit code. Prints its own errors. Never rejects. */
export function runCommand(words: string[]): Promise<number> {
  const own = words[0] === 'gantry' || words[0] === 'gsh' ? words.slice(1) : words;
  return runWords(own, Object.keys(commands), makeProgram);
}
