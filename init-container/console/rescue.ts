import { logPath } from '../engine/paths.ts';
import { lastLines } from '../logs/tail.ts';
import type { Halt } from '../supervisor/fleet.ts';

/** What the console says when the boot has stopped: what happened, to what, and what to do next. */
export async function rescueLines({ component, reason }: Halt): Promise<string[]> {
  const { name, state } = component;
  const words = state.error === undefined ? await lastLines(logPath(name), 5, state.startedAt).catch(() => []) : [];
  return [
    `THE BOOT HAS STOPPED: ${reason}`,
    ...words.map((line) => `  ${name}: ${printable(line)}`),
    'This is a rescue shell; what comes after it waits, and the API answers.',
    `"exit" runs ${name} again, and then the boot goes on either way. From a host: gantry start ${name}`,
    `runs it again, gantry swap ${name} IMAGE replaces it, gantry stop ${name} goes on without it.`,
  ];
}

/** A log may hold anything; on a console nothing but text may come of it. */
function printable(line: string): string {
  return line.replace(/[^\t\x20-\x7e\u00a0-\uffff]/g, '?').slice(0, 500);
}
