const units: Record<string, number> = { '': 2 ** 20, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes of a size such as `512M` or `2G` (powers of 1024; a bare number is MiB, as QEMU and LinuxKit have it). `undefined` when it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,15})([KMGT]?)(?:iB|B)?$/i.exec(text.trim());
  const unit = match?.[2] === undefined ? undefined : units[match[2].toUpperCase()];
  if (match === null || unit === undefined) return undefined;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}
