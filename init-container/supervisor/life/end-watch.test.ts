import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { freshState } from '../../engine/record.ts';
import { ComponentView } from '../component-view.ts';
import { EndWatch } from './end-watch.ts';

test('a grace period that no timer can count is waited for all the same', async () => {
  const component = new ComponentView('patient');
  component.state = { ...freshState, phase: 'running' };
  const watch = new EndWatch(component, () => undefined);
  const month = 30 * 24 * 3600 * 1000;
  const first = await Promise.race([watch.endOrDelay(month).then(() => 'killed'), delay(200, 'waiting')]);
  expect(first).toBe('waiting');
});
