import { keyReference } from '../../src/tui/actions/reference.ts';
import { generatedNote, page, table } from './markdown.ts';

/** The keys of the terminal UI, screen by screen. */
export function keysReference(): string {
  const sections = keyReference().flatMap(({ title, rows }) => [
    `## ${title}`,
    table(
      ['keys', 'what they do'],
      rows.map(({ keys, help }) => [
        keys
          .split(' ')
          .map((key) => `\`${key}\``)
          .join(' '),
        help,
      ]),
    ),
  ]);
  return page('# Keys of the terminal UI', generatedNote, 'The same is shown by `?` in the UI.', ...sections);
}
