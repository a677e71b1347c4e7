import {
  editSearch,
  leaveLogs,
  moveSideways,
  nextMatch,
  scrollLogs,
  toggleFollow,
  toggleTimestamps,
  toggleWrap,
} from '../flows/logs.ts';
import { movementKeys } from '../flows/select.ts';
import type { Action } from './action.ts';

/** Reading a log. */
export const logActions: readonly Action[] = [
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
];
