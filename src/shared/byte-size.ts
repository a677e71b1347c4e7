const units: Record<string, number> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Bytes of a size as Compose writes it: `64m`, `1.5gb`, `300k`, a number of bytes. `undefined` when it is none. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([bkmg]?)b?$/i.exec(text);
  if (!match) return undefined;
  const bytes = Math.round(Number(match[1]) * (units[(match[2] || 'b').toLowerCase()] ?? 1));
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}
