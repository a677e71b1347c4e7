import type { Command } from 'commander';
import { ExitError, exitCodes } from '../../cli/exit-codes.ts';
import { runProgram } from '../run-program.ts';

/** Needs neither Node nor the init container: see init-container/boot/gsh-plain. */
const plainShell = '/usr/lib/gantry/gsh-plain';

export function register(program: Command): void {
  program
    .command('recover')
    .summary('the plain shell for when the init container does not work')
    .description(
      'Opens a shell that needs no init container: it says why that one does not work, starts it again, and puts an ' +
        'earlier revision in force. It opens by itself when there is nothing else.',
    )
    .argument('[words...]', 'a command of the plain shell; "help" lists them')
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const code = await runProgram(plainShell, words);
      if (code !== exitCodes.ok) throw new ExitError(code);
    });
}
