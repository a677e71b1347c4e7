import { stripVTControlCharacters, styleText } from 'node:util';
import type { Command } from 'commander';
import { displayWidth } from '../shared/text/width.ts';

/** Adds `--json`: JSON on standard output, nothing else there. */
export function addJsonOption(command: Command): Command {
  return command.option('--json', 'JSON on standard output');
}

/** One JSON value, on one line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Words for people that are not the answer itself. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Columns under their titles, two spaces apart. Cells may have colours. */
export function table(titles: string[], rows: string[][]): string {
  const all = [titles, ...rows];
  const widths = titles.map((_, column) => Math.max(...all.map((row) => cellWidth(row[column] ?? ''))));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - cellWidth(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `text` in a colour, if colours are wanted. */
export function paint(style: Parameters<typeof styleText>[0], text: string, color: boolean): string {
  return color ? styleText(style, text, { validateStream: false }) : text;
}

function cellWidth(cell: string): number {
  return displayWidth(stripVTControlCharacters(cell));
}
