import { text } from 'node:stream/consumers';
import { ExitError, exitCodes } from '../cli/exit-codes.ts';
import { reportError } from '../cli/report-error.ts';
import { messageOf } from '../shared/message-of.ts';
import { interact } from './interactive.ts';
import { runCommand } from './program.ts';
import { wordsOf } from './words.ts';

/** On the console, where nobody closes a window: memory is for the containers. */
const consoleIdleMs = 10 * 60_000;

/** `gsh`: a prompt; `gsh COMMAND …`: that; `gsh -c LINE`: a whole line; with a script on standard input: its lines, up to the first that fails. */
async function main(words: string[]): Promise<number> {
  // `gsh logs web | head` closes our output: no reason for a stack trace.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok);
    throw error;
  });
  // A terminal that knows no escape sequences knows no colours.
  if (process.env.TERM === undefined || process.env.TERM === 'dumb') process.env.NO_COLOR = '1';
  if (words[0] === '-c' && words.length === 2) return runLine(words[1] ?? '');
  if (words.length > 0) return runCommand(words);
  if (process.stdin.isTTY && process.stdout.isTTY) {
    return interact({ idleMs: process.env.GANTRY_CONSOLE === undefined ? undefined : consoleIdleMs });
  }
  for (const line of (await text(process.stdin)).split('\n')) {
    const code = await runLine(line);
    if (code !== exitCodes.ok) return code;
  }
  return exitCodes.ok;
}

async function runLine(line: string): Promise<number> {
  try {
    const words = wordsOf(line);
    return words.length === 0 ? exitCodes.ok : await runCommand(words);
  } catch (error) {
    return reportError(new ExitError(exitCodes.usage, messageOf(error)));
  }
}

// Exits even if something keeps the event loop busy: everything that must be finished has been awaited.
process.exit(await main(process.argv.slice(2)));
