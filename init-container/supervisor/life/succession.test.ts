import { expect, it } from 'vitest';
import type { Engine } from '../../engine/engine.ts';
import type { ComponentView } from '../component-view.ts';
import type { Notes } from './notes.ts';
import { Succession } from './succession.ts';

/** Only what a succession asks of them. */
function newSuccession(forgotten: string[]) {
  const component = { instance: 'web', record: undefined } as unknown as ComponentView;
  const engine = {
    forget: async (instance: string) => void forgotten.push(instance),
    isPrepared: () => true,
  } as unknown as Engine;
  return new Succession(component, engine, { event: () => undefined } as unknown as Notes);
}

it('clears the old container away before its name is given to the next one, without waiting out the pause', async () => {
  const forgotten: string[] = [];
  const succession = newSuccession(forgotten);
  const clearOld = succession.leaveFor(await succession.spareInstance());
  clearOld();
  await new Promise(setImmediate);
  expect(forgotten).toEqual([]);
  expect(await succession.spareInstance()).toBe('web');
  expect(forgotten).toEqual(['web']);
});

it('gives no name away while anything of that name is still to be cleared', async () => {
  const forgotten: string[] = [];
  const succession = newSuccession(forgotten);
  succession.leaveFor(await succession.spareInstance())();
  succession.dropPrepared();
  await succession.spareInstance();
  expect(forgotten).toEqual(['web', 'web']);
});
