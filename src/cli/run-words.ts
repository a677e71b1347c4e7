import { type Command, CommanderError } from 'commander';
import { suggestion } from '../device/nearest.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { reportError } from './report-error.ts';

/** Runs one command line of a program and resolves to its exit code. Prints its own errors. Never rejects. */
export async function runWords(
  words: string[],
  names: string[],
  makeProgram: (only?: string) => Promise<Command>,
): Promise<number> {
  try {
    const command = commandWord(words);
    const known = command === undefined || command === 'help' || names.includes(command);
    if (!known) {
      throw new ExitError(
        exitCodes.usage,
        `there is no command ${JSON.stringify(command)}. ${suggestion(command, names)}`,
      );
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
