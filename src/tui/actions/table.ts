import { inspect, scrollDocument } from '../flows/documents.ts';
import { askLifecycle } from '../flows/lifecycle.ts';
import {
  editSearch,
  leaveLogs,
  moveSideways,
  nextMatch,
  openLogs,
  scrollLogs,
  toggleFollow,
  toggleTimestamps,
  toggleWrap,
} from '../flows/logs.ts';
import { goBack, openHelp, scrollHelp } from '../flows/navigation.ts';
import { reopenProgress } from '../flows/progress.ts';
import { moveRevision, openRevisions } from '../flows/revisions.ts';
import { openRollback, openRollbackTo } from '../flows/rollback.ts';
import { movementKeys, moveSelection } from '../flows/select.ts';
import { containerSession, deviceGsh, deviceSession } from '../flows/shell.ts';
import { openSwap } from '../flows/swap.ts';
import type { ScreenName } from '../store/state.ts';
import type { Action } from './action.ts';
import {
  needsConnection,
  needsContainer,
  needsIdle,
  needsLog,
  needsRunning,
  needsSelection,
  needsStopped,
} from './availability.ts';

const everywhere: ScreenName[] = ['components', 'logs', 'inspect', 'revisions', 'swap', 'rollback', 'progress', 'help'];
const reading: ScreenName[] = ['logs', 'inspect', 'revisions', 'progress', 'help'];
const components: ScreenName[] = ['components'];

/** Everything a person can do, in the order in which the footer and the help show it. */
export const actions: readonly Action[] = [
  {
    id: 'select',
    keys: movementKeys,
    help: 'Select a component.',
    screens: components,
    run: moveSelection,
  },
  {
    id: 'logs',
    keys: ['l', 'enter'],
    hint: 'logs',
    help: 'Show and follow the log of the selected component.',
    screens: components,
    unavailable: needsLog,
    run: openLogs,
  },
  {
    id: 'restart',
    keys: ['r'],
    hint: 'restart',
    help: 'Restart the selected component.',
    screens: components,
    danger: 'confirm',
    unavailable: needsContainer,
    run: (context) => askLifecycle(context, 'restart'),
  },
  {
    id: 'stop',
    keys: ['s'],
    hint: 'stop',
    help: 'Stop the selected component.',
    screens: components,
    danger: 'confirm',
    unavailable: needsContainer,
    run: (context) => askLifecycle(context, 'stop'),
  },
  {
    id: 'start',
    keys: ['S'],
    hint: 'start',
    help: 'Start the selected component.',
    screens: components,
    danger: 'confirm',
    unavailable: needsStopped,
    run: (context) => askLifecycle(context, 'start'),
  },
  {
    id: 'swap',
    keys: ['x'],
    hint: 'swap',
    help: 'Swap the selected component for another image.',
    screens: components,
    danger: 'confirm',
    unavailable: (state) => needsIdle(state) ?? needsSelection(state),
    run: openSwap,
  },
  {
    id: 'rollback',
    keys: ['b'],
    hint: 'rollback',
    help: 'Roll back the component or the device.',
    screens: components,
    danger: 'typed',
    unavailable: needsIdle,
    run: openRollback,
  },
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
  {
    id: 'progress',
    keys: ['p'],
    help: 'Show the swap or rollback that is under way, or the last one.',
    screens: components,
    unavailable: (state) => (state.running ? undefined : 'nothing was swapped in this session'),
    run: reopenProgress,
  },
  {
    id: 'revisions',
    keys: ['v'],
    hint: 'revisions',
    help: 'Show the revisions of the device.',
    screens: components,
    unavailable: needsConnection,
    run: openRevisions,
  },
  {
    id: 'exec',
    keys: ['e'],
    hint: 'shell',
    help: 'Open a shell in the selected component.',
    screens: components,
    unavailable: needsRunning,
    run: containerSession,
  },
  {
    id: 'shell',
    keys: ['!'],
    hint: 'device',
    help: 'Open a shell on the device itself.',
    screens: components,
    unavailable: needsConnection,
    run: deviceSession,
  },
  {
    id: 'gsh',
    keys: ['>'],
    help: 'Open gsh on the device: a shell with the commands of gantry.',
    screens: components,
    unavailable: needsConnection,
    run: deviceGsh,
  },
  {
    id: 'inspect',
    keys: ['i'],
    hint: 'inspect',
    help: 'Show everything known of the selected component.',
    screens: components,
    unavailable: needsSelection,
    run: inspect,
  },
  {
    id: 'scroll-logs',
    keys: movementKeys,
    help: 'Scroll; G and End come back to the newest line and follow it.',
    screens: ['logs'],
    run: scrollLogs,
  },
  { id: 'follow', keys: ['f'], hint: 'follow', help: 'Pause or follow.', screens: ['logs'], run: toggleFollow },
  { id: 'search', keys: ['/'], hint: 'search', help: 'Search in the log.', screens: ['logs'], run: editSearch },
  {
    id: 'next-match',
    keys: ['n'],
    hint: 'next',
    help: 'Go to the next match.',
    screens: ['logs'],
    run: (context) => nextMatch(context, 1),
  },
  {
    id: 'previous-match',
    keys: ['N'],
    hint: 'previous',
    help: 'Go to the previous match.',
    screens: ['logs'],
    run: (context) => nextMatch(context, -1),
  },
  { id: 'wrap', keys: ['w'], hint: 'wrap', help: 'Wrap long lines or cut them.', screens: ['logs'], run: toggleWrap },
  {
    id: 'timestamps',
    keys: ['t'],
    hint: 'times',
    help: 'Show or hide timestamps.',
    screens: ['logs'],
    run: toggleTimestamps,
  },
  {
    id: 'sideways',
    keys: ['h', 'l', 'left', 'right'],
    help: 'Scroll sideways when lines are cut.',
    screens: ['logs'],
    run: moveSideways,
  },
  {
    id: 'leave-logs',
    keys: ['escape', 'q'],
    hint: 'back',
    help: 'Leave the log (a search first).',
    screens: ['logs'],
    run: leaveLogs,
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
    screens: [...components, ...reading],
    run: openHelp,
  },
  {
    id: 'quit',
    keys: ['q'],
    hint: 'quit',
    help: 'Leave Gantry.',
    screens: components,
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
