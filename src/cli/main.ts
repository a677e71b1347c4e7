import { Command, CommanderError } from 'commander';
import { suggestion } from '../device/nearest.ts';
import { gantryVersion } from '../shared/version.ts';
import { addDeviceOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { reportError } from './report-error.ts';

interface CommandModule {
  register(program: Command): void;
}

/**
 * Every command and the module that has it, in the order of the help. A command line loads the one module that it needs:
 * `gantry ps` must not wait for the libraries of all others.
 */
const modules: Record<string, () => Promise<CommandModule>> = {
  demo: () => import('./demo.ts'),
  build: () => import('./build.ts'),
  run: () => import('./run.ts'),
  component: () => import('./component.ts'),
  device: () => import('./device.ts'),
  ps: () => import('./ps.ts'),
  inspect: () => import('./inspect.ts'),
  logs: () => import('./logs.ts'),
  stats: () => import('./stats.ts'),
  top: () => import('./top.ts'),
  events: () => import('./events.ts'),
  start: () => import('./start.ts'),
  stop: () => import('./stop.ts'),
  restart: () => import('./restart.ts'),
  exec: () => import('./exec.ts'),
  sh: () => import('./sh.ts'),
  swap: () => import('./swap.ts'),
  rollback: () => import('./rollback.ts'),
  revisions: () => import('./revisions.ts'),
  gc: () => import('./gc.ts'),
  diff: () => import('./diff.ts'),
  info: () => import('./info.ts'),
  power: () => import('./power.ts'),
  console: () => import('./console.ts'),
  proxy: () => import('./proxy.ts'),
};

const description = `Compose a device of a kernel and containers, look into it, and swap its parts while it runs.
Without a command: the terminal UI.`;

const afterHelp = `
DEVICE is a name given with "gantry device add", ssh://[USER@]HOST[:PORT], serial:/dev/TTY[?baud=N], unix:/PATH or
qemu:NAME[?via=serial|ssh]. Without -d: GANTRY_DEVICE, else the only device that is known or runs here.
Exit codes: ${exitCodes.ok} done, ${exitCodes.failed} failed, ${exitCodes.usage} wrong usage, ${exitCodes.unreachable} device not reachable, ${exitCodes.rolledBack} swap rolled back, ${exitCodes.interrupted} interrupted;
exec and sh: those of the process.`;

/** The whole program with all its commands, for its help and for the reference in docs/. */
export async function makeProgram(only?: string): Promise<Command> {
  const program = new Command('gantry');
  program
    .description(description)
    .version(gantryVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', afterHelp)
    .configureHelp({ showGlobalOptions: true })
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .action(async (_options, command: Command) => {
      const { openUi } = await import('./ui.ts');
      await openUi(command);
    });
  addDeviceOptions(program, { visible: true });
  const load = only === undefined ? Object.values(modules) : [modules[only]];
  for (const module of load) {
    if (module) (await module()).register(program);
  }
  return program;
}

/** Runs one command line (without `node` and the script) and resolves to its exit code. Prints its own errors. */
export async function main(words: string[]): Promise<number> {
  // `gantry logs | head` closes our output: no reason for a stack trace.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok);
    throw error;
  });
  try {
    const command = commandWord(words);
    const known = command === undefined || command === 'help' || Object.hasOwn(modules, command);
    if (!known) {
      const hint = suggestion(command, Object.keys(modules));
      throw new ExitError(exitCodes.usage, `there is no command ${JSON.stringify(command)}. ${hint}`);
    }
    const program = await makeProgram(command === 'help' ? undefined : command);
    await program.parseAsync(words, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    // Commander has printed its own; its codes are 0 for help and version, 1 for mistakes.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return reportError(error);
  }
}

/** The first word that is neither an option nor the value of one. */
function commandWord(words: string[]): string | undefined {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '-d' || word === '--device') at++;
    else if (!word.startsWith('-')) return word;
  }
  return undefined;
}
