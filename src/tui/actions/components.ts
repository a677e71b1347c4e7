import { inspect, inspectDevice } from '../flows/documents.ts';
import { askLifecycle } from '../flows/lifecycle.ts';
import { openLogs } from '../flows/logs.ts';
import { reopenProgress } from '../flows/progress.ts';
import { openRevisions } from '../flows/revisions.ts';
import { openRollback } from '../flows/rollback.ts';
import { movementKeys, moveSelection } from '../flows/select.ts';
import { containerSession, deviceSession } from '../flows/shell.ts';
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

const components: ScreenName[] = ['components'];

/** What a person does with components and with the device, in the table of components. */
export const componentActions: readonly Action[] = [
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
    id: 'inspect',
    keys: ['i'],
    hint: 'inspect',
    help: 'Show everything known of the selected component.',
    screens: components,
    unavailable: needsSelection,
    run: inspect,
  },
  {
    id: 'inspect-device',
    keys: ['I'],
    hint: 'about',
    help: 'Show everything known of the device: storage, watchdog, upgrades, what could be removed.',
    screens: components,
    unavailable: needsConnection,
    run: inspectDevice,
  },
];
