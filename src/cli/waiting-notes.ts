import { sanitizeText } from '../shared/text/sanitize.ts';
import { note } from './output.ts';

/** Whoever is connected by then need not be told that it took a moment. */
const patienceMs = 2_000;

/** Says why a device is waited for, once that takes long: each reason once, on standard error. */
export function waitingNotes(): { onWaiting(words: string): void; done(): void } {
  let newest: string | undefined;
  let isLate = false;
  const say = (): void => {
    if (newest === undefined) return;
    note(`gantry: waiting: ${sanitizeText(newest, { color: false })}`);
    newest = undefined;
  };
  const timer = setTimeout(() => {
    isLate = true;
    say();
  }, patienceMs);
  return {
    onWaiting: (words) => {
      newest = words;
      if (isLate) say();
    },
    done: () => clearTimeout(timer),
  };
}
