import { sanitizeLine, sanitizeText } from '../shared/text/sanitize.ts';

/**
 * A JSON value from a device with every text in it, keys too, made safe to show. `lines: true` keeps newlines (documents
 * such as Docker's inspect); without it each text becomes one line (names, states, messages).
 */
export function cleanJson(value: unknown, options: { lines: boolean }): unknown {
  if (typeof value === 'string') return options.lines ? sanitizeText(value, plain) : sanitizeLine(value, plain);
  if (Array.isArray(value)) return value.map((element) => cleanJson(element, options));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, element]) => [sanitizeLine(key, plain), cleanJson(element, options)]),
  );
}

const plain = { color: false };
