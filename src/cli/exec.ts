import { type Command, InvalidArgumentError } from 'commander';
import { terminalSize } from '../shared/text/terminal-size.ts';
import { addDeviceOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { runSession } from './terminal-session.ts';
import { withDevice } from './with-device.ts';

interface Options {
  interactive?: boolean;
  tty?: boolean;
  env: string[];
}

export function register(program: Command): void {
  const command = program
    .command('exec')
    .summary('run a command in a system container')
    .description('Runs a command in a system container; the exit code is that of the command.')
    .argument('<name>', 'the system container')
    .argument('<command...>', 'the command and its arguments')
    .option('-i, --interactive', 'standard input goes to the command')
    .option('-t, --tty', 'give the command a terminal, and this one to it')
    .option('-e, --env <NAME=value>', 'set a variable', variable, [])
    .passThroughOptions();
  addDeviceOptions(command).action(async (name: string, words: string[], options: Options) => {
    const tty = options.tty ?? false;
    if (tty && !process.stdin.isTTY) {
      throw new ExitError(exitCodes.usage, 'standard input is no terminal: leave -t out');
    }
    await withDevice(command, async ({ device }) => {
      const env = tty ? [`TERM=${process.env.TERM ?? 'xterm'}`, ...options.env] : options.env;
      const session = await device.exec(name, { command: words, tty, env, ...(tty && { size: terminalSize() }) });
      const code = await runSession(session, { tty, interactive: options.interactive ?? false });
      if (code !== 0) throw new ExitError(code);
    });
  });
}

function variable(text: string, previous: string[]): string[] {
  if (!/^[^=\0]+=/.test(text)) throw new InvalidArgumentError('Give NAME=value.');
  return [...previous, text];
}
