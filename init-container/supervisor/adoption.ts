import { readdir } from 'node:fs/promises';
import { devicePaths } from '../../src/shared/device-paths.ts';
import type { Engine } from '../engine/engine.ts';
import { componentOf, instancesOf } from '../engine/paths.ts';
import { loadRecord, loadState } from '../engine/record.ts';
import { journal } from '../native/journal.ts';
import type { Component } from './component.ts';
import { sortInstances } from './instances.ts';
import type { Roster } from './roster.ts';

/**
 * From the folders of containers that the last process left: which are in force, which came up beside one, and which are
 * of no use any more. Returns the components of which there are two.
 */
export async function recogniseLeft(roster: Roster, engine: Engine): Promise<string[]> {
  const left = await readdir(devicePaths.containers, { withFileTypes: true });
  const folders = left.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const pairs: string[] = [];
  for (const name of new Set(folders.map(componentOf))) {
    const found = instancesOf(name)
      .filter((instance) => folders.includes(instance))
      .map((instance) => ({ instance, state: loadState(instance), record: loadRecord(instance) }));
    const sorted = sortInstances(found);
    if (!sorted) continue;
    for (const instance of sorted.stale) await engine.forget(instance);
    const component = roster.ensure(name);
    component.standFor(sorted.inForce, { beside: false });
    if (sorted.beside === undefined) continue;
    roster.addBeside(name, sorted.beside, loadRecord(sorted.beside)?.spec);
    component.spec = component.record?.spec ?? component.spec;
    pairs.push(name);
  }
  return pairs;
}

/** Takes over all that runs, without touching it. */
export async function adoptAll(roster: Roster): Promise<void> {
  const adopt = (component: Component) =>
    component.adopt().catch((error: Error) => journal(`${component.name}: cannot be adopted: ${error.message}`));
  await Promise.all(roster.all().map(adopt));
  const running = roster.instances().filter((component) => component.running);
  const words = running.map(({ name, state }) => `${name} (PID ${state.process?.pid})`);
  if (words.length > 0) journal(`found running: ${words.join(', ')}`);
}

/** What the last process left running may be neither wanted nor what the revision says: replaces or removes it. */
export async function reconcile(roster: Roster, component: Component): Promise<void> {
  if (component.spec === undefined) {
    journal(`${component.name}: not part of the current revision; removing it`);
    await component.stop('swap');
    roster.forget(component);
  } else if (
    component.running &&
    !component.current &&
    component.kind === 'service' &&
    component.state.wish === 'run'
  ) {
    journal(`${component.name}: runs another image or configuration than the current revision says; replacing it`);
    await component.startAnew().catch(() => undefined);
  }
}
