import type { Command } from 'commander';
import { ExitError, exitCodes } from '../../cli/exit-codes.ts';
import { registerShell } from '../../cli/sh.ts';
import { readAccess } from '../../shared/definition/read-access.ts';
import { runProgram } from '../run-program.ts';

export function register(program: Command): void {
  const command = program
    .command('sh')
    .summary('a root shell of the machine, or in a system container')
    .description('Opens a root shell on the device itself, outside all containers, or a shell in a system container.');
  registerShell(command, async (words, options) => {
    if (words[0] !== undefined) return false;
    if (!readAccess().root_shell)
      throw new ExitError(
        exitCodes.failed,
        'the OS definition of this device allows no root shell (root_shell: false)',
      );
    const code = await runProgram('/bin/sh', options.c === undefined ? ['-l'] : ['-l', '-c', options.c]);
    if (code !== exitCodes.ok) throw new ExitError(code);
    return true;
  });
}
