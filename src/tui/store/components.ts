import type { ComponentRow } from '../../device/readings/component-rows.ts';

/** The name to select after a reading: the same if it is still there, else the one that took its place. */
export function keepSelection(previous: readonly ComponentRow[], rows: readonly ComponentRow[], selected?: string) {
  if (rows.some((row) => row.name === selected)) return selected;
  const index = previous.findIndex((row) => row.name === selected);
  return rows[Math.min(Math.max(0, index), rows.length - 1)]?.name;
}

/** `web:1` or `registry/path/web:1@sha256:…` → what fits a table: without digest, registry and path. */
export function shortImage(ref: string): string {
  const name = ref.replace(/@sha256:[0-9a-f]{64}$/, '');
  return name.slice(name.lastIndexOf('/') + 1);
}
