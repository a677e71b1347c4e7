import { expect, test } from 'vitest';
import { testComponent } from '../device/api-server.testing.ts';
import { candidatesFor } from './completion.ts';

const context = {
  commands: ['ps', 'logs', 'swap'],
  components: [testComponent('web'), testComponent('sshd'), testComponent('kernel', { kind: 'kernel', id: undefined })],
  revisions: [3, 2, 0],
  options: async (command: string) => [`--${command}-option`],
  files: (prefix: string) => [`${prefix}file`],
};

test.each([
  ['', ['ps', 'logs', 'swap', 'exit']],
  ['gantry l', ['ps', 'logs', 'swap', 'exit']],
  ['ps --', ['--ps-option']],
  ['nothing --', []],
  ['logs ', ['web', 'sshd', 'init', 'kernel']],
  ['logs -f w', ['web', 'sshd', 'init', 'kernel']],
  ['restart web ', ['sshd']],
  ['swap ', ['web', 'sshd', 'kernel']],
  ['swap web /m', ['/mfile']],
  ['swap web /m/w.tar ', ['web', 'sshd', 'kernel']],
  ['rollback ', ['web', 'sshd', 'kernel', '3', '2', '0']],
  ['diff 2 ', ['3', '2', '0']],
  ['diff 2 3 ', []],
  ['exec web l', []],
])('after "%s"', async (before, candidates) => {
  expect(await candidatesFor(before, context)).toEqual(candidates);
});
