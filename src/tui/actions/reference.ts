import type { ScreenName } from '../store/state.ts';
import { actionsOf, keyLabel } from './table.ts';

export interface KeySection {
  title: string;
  rows: { keys: string; help: string }[];
}

const titles: [ScreenName, string][] = [
  ['components', 'Components'],
  ['logs', 'Log'],
  ['revisions', 'Revisions'],
  ['inspect', 'Inspect'],
  ['progress', 'Swap and rollback under way'],
];
const dangers = { confirm: 'Asks first.', typed: 'Asks for its name.' };

/** All keys, screen by screen, as the action table has them: for the help screen and for the documentation. */
export function keyReference(): KeySection[] {
  return titles.map(([screen, title]) => ({
    title,
    rows: actionsOf(screen).map((action) => ({
      keys: action.keys.map(keyLabel).join(' '),
      help: action.danger ? `${action.help} ${dangers[action.danger]}` : action.help,
    })),
  }));
}

/** The help as lines; those that begin without a blank are titles. */
export function helpLines(): string[] {
  return keyReference().flatMap((section) => [
    section.title,
    ...section.rows.flatMap(({ keys, help }) =>
      keys.length <= 14 ? [`  ${keys.padEnd(14)}  ${help}`] : [`  ${keys}`, `  ${' '.repeat(14)}  ${help}`],
    ),
    '',
  ]);
}
