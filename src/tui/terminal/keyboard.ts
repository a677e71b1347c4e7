import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Stops reading the keyboard, so that whoever reads next gets every key. Node stops a tty only on the turn of the event
 * loop after `pause()`, and a stream that was read in "readable" mode (as Ink does) hears of it only a turn later: who
 * started to read in between would lose a key, or hear none at all.
 */
export async function releaseKeyboard(): Promise<void> {
  await nextTurn();
  process.stdin.pause();
  await nextTurn();
}

/** Gives line editing back to the terminal; harmless when the terminal is gone. */
export function setCooked(): void {
  try {
    process.stdin.setRawMode(false);
  } catch {
    // Its window was closed: there is nothing left to give back.
  }
}
