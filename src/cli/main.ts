import { Command } from 'commander';
import { gantryVersion } from '../shared/version.ts';
import { connectBy } from './connector.ts';
import { addDeviceOptions } from './device-options.ts';
import { exitCodes } from './exit-codes.ts';
import { runWords } from './run-words.ts';

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
  dev: () => import('./dev.ts'),
  rollback: () => import('./rollback.ts'),
  revisions: () => import('./revisions.ts'),
  gc: () => import('./gc.ts'),
  diff: () => import('./diff.ts'),
  info: () => import('./info.ts'),
  upgrade: () => import('./upgrade.ts'),
  power: () => import('./power.ts'),
  console: () => import('./console.ts'),
  proxy: () => import('./proxy.ts'),
};

connectBy(async (target, options) => {
  const { connectDevice } = await import('../device/connect.ts');
  return connectDevice(target, options);
});

const description = `Compose a device of a kernel and containers, look into it, and swap its parts while it runs.
Without a command: the terminal UI.`;

const afterHelp = `
DEVICE is a name given with "gantry device add", ssh://[USER@]HOST[:PORT], serial:/dev/TTY[?baud=N&fast=N],
unix:/PATH or qemu:NAME[?via=serial|ssh]. Without -d: GANTRY_DEVICE, else the only device that is known or runs here.
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
  return runWords(words, Object.keys(modules), makeProgram);
}
