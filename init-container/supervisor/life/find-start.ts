import type { Engine } from '../../engine/engine.ts';
import type { ComponentView } from '../component-view.ts';
import type { Notes } from './notes.ts';

/** This process's predecessor ended in the middle of a start: what it started runs, has ended, or never was. */
export async function findStartAgain(component: ComponentView, engine: Engine, notes: Notes): Promise<void> {
  const began = component.state.starting;
  if (!began) return;
  const found = await engine.findStarted(component.instance);
  if (found === undefined) {
    await engine.cleanUp(component.instance);
    notes.save({ starting: undefined });
  } else notes.started(began, found === 'exited' ? {} : found);
}
