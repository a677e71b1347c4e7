/** The parts of a page with a blank line between them; empty ones are left out. */
export function page(...parts: string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** Under the title of a generated page. */
export const generatedNote = 'Written by `npm run docs` from the program itself: do not edit.';

/** A table; a cell must not break the line. */
export function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** As code; with a backtick inside it takes two around it. */
export function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}
