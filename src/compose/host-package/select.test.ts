import { describe, expect, it } from 'vitest';
import { configLabel } from '../../shared/definition/component-config.ts';
import type { LoadedDefinition } from '../definition/load.ts';
import type { ResolvedUserland } from '../image/resolve.ts';
import { deviceOnly, selectForMachine } from './select.ts';

const definition: LoadedDefinition = {
  name: 'test',
  kernel: { image: 'kernel:1', cmdline: '' },
  init: ['base:1', 'init:1'],
  onboot: [],
  services: [
    { name: 'net', image: 'net:1' },
    { name: 'web', image: 'web:1', depends_on: ['net', 'db'] },
    { name: 'api', image: 'web:1', depends_on: { net: { condition: 'healthy' }, db: { condition: 'started' } } },
    { name: 'db', image: 'db:1' },
  ],
  onshutdown: [{ name: 'last', image: 'db:1', annotations: { [deviceOnly]: 'it flushes the disk' } }],
  volumes: [],
  files: [],
  dirs: [],
};

const label = JSON.stringify({ annotations: { [deviceOnly]: 'the machine has a network' } });
const labelled = (text: string) => ({ config: { config: { Labels: { [configLabel]: text } } } });
const images = {
  containers: new Map([
    ['net', labelled(label)],
    // What cannot be read says nothing; the device tells of it.
    ['web', labelled('{"annotations"')],
    ['db', labelled('{"annotations":7}')],
  ]),
} as unknown as ResolvedUserland;

describe('selectForMachine', () => {
  const selected = selectForMachine(definition, images);

  it('leaves out the kernel, and what its image or the definition marks', () => {
    expect(selected.leftOut).toEqual([
      'kernel kernel:1: the machine runs its own',
      'net: the machine has a network',
      'last: it flushes the disk',
    ]);
    expect(selected.definition.services.map(({ name }) => name)).toEqual(['web', 'api', 'db']);
    expect(selected.definition.onshutdown).toEqual([]);
  });

  it('has nothing depend on what was left out', () => {
    expect(selected.definition.services[0]?.depends_on).toEqual(['db']);
    expect(selected.definition.services[1]?.depends_on).toEqual({ db: { condition: 'started' } });
  });

  it('says nothing of a kernel that was not named', () => {
    const without = { ...definition, kernel: { image: '', cmdline: '' }, services: [], onshutdown: [] };
    expect(selectForMachine(without, images).leftOut).toEqual([]);
  });
});
