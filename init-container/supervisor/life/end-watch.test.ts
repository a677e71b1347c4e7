import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { freshState } from '../../engine/record.ts';
import { identify } from '../../native/processes.ts';
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

test('a process that cannot be killed is not waited for without end where that is not wanted', async () => {
  const component = new ComponentView('stuck');
  const own = await identify(process.pid);
  component.state = { ...freshState, phase: 'running', process: own };
  const watch = new EndWatch(component, () => undefined);
  expect(await watch.untilEnded(50)).toBe(false);
  component.state = { ...component.state, phase: 'exited' };
  expect(await watch.untilEnded(50)).toBe(true);
});
