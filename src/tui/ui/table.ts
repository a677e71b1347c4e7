import { displayWidth, pad } from '../../shared/text/width.ts';
import type { Tone } from './theme.ts';

export interface Column<T> {
  title: string;
  /** Cells. */
  width: number;
  align?: 'left' | 'right';
  value(row: T): string;
  tone?(row: T): Tone;
}

/** Columns as wide as their widest value, as far as `width` allows: what is missing is taken from the `flexible` ones. */
export function fitColumns<T>(
  columns: Column<T>[],
  rows: readonly T[],
  width: number,
  flexible: number[],
): Column<T>[] {
  const wanted = columns.map((column) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(column.value(row)))),
  );
  const fixed = columns.map((column, index) =>
    flexible.includes(index) ? (wanted[index] ?? column.width) : column.width,
  );
  let excess = fixed.reduce((sum, each) => sum + each + 1, 0) - width;
  for (const index of flexible) {
    const least = columns[index]?.width ?? 0;
    const take = Math.min(Math.max(0, excess), Math.max(0, (fixed[index] ?? 0) - least));
    fixed[index] = (fixed[index] ?? 0) - take;
    excess -= take;
  }
  return columns.map((column, index) => ({ ...column, width: fixed[index] ?? column.width }));
}

/** The cells of one row, each followed by a space. */
export function cells<T>(columns: Column<T>[], row: T): [text: string, tone: Tone][] {
  return columns.map((column) => [
    `${pad(column.value(row), column.width, column.align)} `,
    column.tone?.(row) ?? 'plain',
  ]);
}

export function titles<T>(columns: Column<T>[]): string {
  return columns.map((column) => `${pad(column.title, column.width, column.align)} `).join('');
}
