import { expect, it } from 'vitest';
import type { ScreenName } from '../store/state.ts';
import { keyReference } from './reference.ts';
import { actions, actionsOf } from './table.ts';

const screens: ScreenName[] = ['components', 'logs', 'inspect', 'revisions', 'swap', 'rollback', 'progress', 'help'];

it.each(screens)('gives every key of %s one meaning', (screen) => {
  const keys = actionsOf(screen).flatMap((action) => action.keys);
  expect(keys).toEqual([...new Set(keys)]);
});

it('has unique names, and ends nowhere without a way out', () => {
  const ids = actions.map((action) => action.id);
  expect(ids).toEqual([...new Set(ids)]);
  for (const screen of screens) expect(actionsOf(screen).some((action) => action.keys.includes('ctrl-c'))).toBe(true);
});

it('documents every action that has a screen of keys', () => {
  const documented = keyReference().flatMap((section) => section.rows.map((row) => row.help));
  for (const action of actions.filter((each) => !each.screens.every((screen) => screen === 'help'))) {
    expect(documented.some((help) => help.startsWith(action.help))).toBe(true);
  }
});
