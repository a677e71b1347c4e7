import type { Command } from 'commander';
import { terminalSize } from '../shared/text/terminal-size.ts';
import { addDeviceOptions } from './device-options.ts';
import { ExitError } from './exit-codes.ts';
import { runSession } from './terminal-session.ts';
import { withDevice } from './with-device.ts';

/** The best shell that the image has. */
const anyShell = ['/bin/sh', '-c', 'if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi'];

interface Options {
  c?: string;
}

export function register(program: Command): void {
  const command = program
    .command('sh')
    .summary('a shell on the device, or in a system container')
    .description('Opens a shell on the device itself, outside all containers, or in a system container.');
  registerShell(command, async () => false);
}

/** The arguments and the action of a command that opens a shell; `own` resolves to true when it has done it itself. */
export function registerShell(command: Command, own: (words: string[], options: Options) => Promise<boolean>): void {
  command.argument('[name]', 'a system container').option('-c <command>', 'run one command in that shell instead');
  addDeviceOptions(command).action(async (name: string | undefined, options: Options) => {
    if (await own(command.args, options)) return;
    const tty = options.c === undefined && process.stdin.isTTY === true && process.stdout.isTTY === true;
    const words = options.c !== undefined ? ['/bin/sh', '-c', options.c] : name === undefined ? [] : anyShell;
    await withDevice(command, async ({ device }) => {
      const request = {
        command: words,
        tty,
        ...(tty && { env: [`TERM=${process.env.TERM ?? 'xterm'}`], size: terminalSize() }),
      };
      const session = await (name === undefined ? device.shell(request) : device.exec(name, request));
      const code = await runSession(session, { tty, interactive: true });
      if (code !== 0) throw new ExitError(code);
    });
  });
}
