import { scrollDocument } from '../flows/documents.ts';
import { goBack, openHelp, scrollHelp } from '../flows/navigation.ts';
import { moveRevision } from '../flows/revisions.ts';
import { openRollbackTo } from '../flows/rollback.ts';
import { movementKeys } from '../flows/select.ts';
import type { ScreenName } from '../store/state.ts';
import type { Action } from './action.ts';
import { needsIdle } from './availability.ts';
import { componentActions } from './components.ts';
import { logActions } from './logs.ts';

const everywhere: ScreenName[] = ['components', 'logs', 'inspect', 'revisions', 'swap', 'rollback', 'progress', 'help'];
const reading: ScreenName[] = ['logs', 'inspect', 'revisions', 'progress', 'help'];

/** Everything a person can do, in the order in which the footer and the help show it. */
export const actions: readonly Action[] = [
  ...componentActions,
  ...logActions,
  {
    id: 'rollback-to',
    keys: ['b', 'enter'],
    hint: 'roll back to it',
    help: 'Roll the device back to the selected revision.',
    screens: ['revisions'],
    danger: 'typed',
    unavailable: needsIdle,
    run: openRollbackTo,
  },
  { id: 'scroll', keys: movementKeys, help: 'Scroll.', screens: ['inspect'], run: scrollDocument },
  { id: 'scroll-help', keys: movementKeys, help: 'Scroll.', screens: ['help'], run: scrollHelp },
  {
    id: 'select-revision',
    keys: movementKeys,
    help: 'Select a revision.',
    screens: ['revisions'],
    run: moveRevision,
  },
  {
    id: 'back',
    keys: ['escape', 'q'],
    hint: 'back',
    help: 'Go back. A swap goes on in the background.',
    screens: ['inspect', 'revisions', 'progress', 'help'],
    run: goBack,
  },
  {
    id: 'help',
    keys: ['?'],
    hint: 'help',
    help: 'Show all keys.',
    screens: ['components', ...reading],
    run: openHelp,
  },
  {
    id: 'quit',
    keys: ['q'],
    hint: 'quit',
    help: 'Leave Gantry.',
    screens: ['components'],
    run: (context) => context.quit(),
  },
  {
    id: 'quit-anywhere',
    keys: ['ctrl-c'],
    help: 'Leave Gantry at once.',
    screens: everywhere,
    run: (context) => context.quit(),
  },
  {
    id: 'suspend',
    keys: ['ctrl-z'],
    help: 'Suspend Gantry; `fg` in the shell continues it.',
    screens: everywhere,
    run: (context) => context.suspend(),
  },
];

/** What the keys on `screen` do, in the order of the table. */
export function actionsOf(screen: ScreenName): Action[] {
  return actions.filter((action) => action.screens.includes(screen));
}

/** Keys as people write them: `j`, `↓`, `Ctrl-C`. */
export function keyLabel(key: string): string {
  const labels: Record<string, string> = {
    ...{ up: '↑', down: '↓', left: '←', right: '→', enter: 'Enter', escape: 'Esc', space: 'Space' },
    ...{ pageup: 'PgUp', pagedown: 'PgDn', home: 'Home', end: 'End', tab: 'Tab' },
  };
  return labels[key] ?? (key.startsWith('ctrl-') ? `Ctrl-${key.slice(5).toUpperCase()}` : key);
}
