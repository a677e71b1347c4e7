import { expect, test } from 'vitest';
import { testComponent } from '../device/api-server.testing.ts';
import { promptOf, statusLine } from './device-view.ts';

const view = {
  name: 'demo',
  revision: 3,
  revisions: [3, 0],
  components: [testComponent('web'), testComponent('sshd')],
};

test('a device that is well', () => {
  expect(promptOf(view)).toBe('demo r3> ');
  expect(statusLine(view, 80)).toBe('web up, sshd up');
});

test('what is not well comes first and is seen in the prompt; what needs no word has none', () => {
  const components = [
    testComponent('kernel', { kind: 'kernel', id: undefined, health: 'none' }),
    testComponent('sysctl', { kind: 'onboot', state: 'exited', exitCode: 0, health: 'none' }),
    testComponent('web'),
    testComponent('app', { health: 'unhealthy' }),
    testComponent('db', { state: 'exited', exitCode: 1 }),
    testComponent('mqtt', { state: 'waiting' }),
    testComponent('last', { kind: 'onshutdown', state: 'created' }),
  ];
  expect(promptOf({ ...view, components })).toBe('demo r3!> ');
  expect(statusLine({ ...view, components }, 80)).toBe('app UNHEALTHY, db EXITED, web up, mqtt waiting');
});

test('many components: as many as fit', () => {
  const components = Array.from({ length: 30 }, (_, at) => testComponent(`component-${at}`));
  const line = statusLine({ ...view, components }, 60);
  expect(line).toBe('component-0 up, component-1 up, component-2 up, and 27 more');
  expect(line.length).toBeLessThan(60);
});

test('an init container that does not answer', () => {
  const ill = { ...view, revision: undefined, problem: 'there is no socket' };
  expect(promptOf(ill)).toBe('demo ??> ');
  expect(statusLine(ill, 80)).toContain('there is no socket');
});
