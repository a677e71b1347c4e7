import { sanitizeLine } from '../shared/text/sanitize.ts';

/** An error in one line for people, without escapes. */
export function errorText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return sanitizeLine(message.replaceAll(/\s*\n\s*/g, ' '), { color: false }) || 'unknown error';
}
