import { HttpError } from './router.ts';

/** Docker's idea of a boolean in a query: everything but these is true. */
export function boolOf(value: string | null): boolean {
  return value !== null && !['', '0', 'no', 'false', 'none'].includes(value.trim().toLowerCase());
}

/** A whole number in a query; undefined when absent. 400 when it is something else. */
export function integerOf(name: string, value: string | null): number | undefined {
  if (value === null || value === '') return undefined;
  if (!/^-?\d{1,15}$/.test(value)) throw new HttpError(400, `${name}=${value} is not a whole number`);
  return Number(value);
}

/** `filters`, in both of its shapes: `{"type":["container"]}` and `{"type":{"container":true}}`. 400 when it is neither. */
export function filtersOf(value: string | null): Map<string, string[]> {
  const filters = new Map<string, string[]>();
  if (value === null || value === '') return filters;
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    throw new HttpError(400, 'filters is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) throw new HttpError(400, 'filters is not a JSON object');
  for (const [key, wanted] of Object.entries(parsed)) {
    if (Array.isArray(wanted)) filters.set(key, wanted.map(String));
    else if (typeof wanted === 'object' && wanted !== null) {
      filters.set(
        key,
        Object.entries(wanted)
          .filter(([, on]) => on !== false)
          .map(([name]) => name),
      );
    } else throw new HttpError(400, `filter ${key} is neither a list nor an object`);
  }
  return filters;
}

/** A moment in a query, `seconds[.fraction]` since the epoch or RFC 3339, in nanoseconds. Absent or 0: undefined. */
export function momentOf(name: string, value: string | null): bigint | undefined {
  if (value === null || value === '' || value === '0') return undefined;
  const unix = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(value);
  if (unix) return BigInt(unix[1] ?? '0') * 1_000_000_000n + BigInt((unix[2] ?? '').padEnd(9, '0'));
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) throw new HttpError(400, `${name}=${value} is not a time`);
  return BigInt(ms) * 1_000_000n;
}
