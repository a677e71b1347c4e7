import { type ComponentConfig, mergeConfig } from '../../shared/definition/component-config.ts';
import type { LoadedDefinition } from '../definition/load.ts';
import type { SystemContainerSpec } from '../definition/schema.ts';
import { configOfImage } from '../image/image-config.ts';
import type { ResolvedUserland } from '../image/resolve.ts';

/** Annotation of a component that makes no sense beside a distribution: why, as the end of a sentence. */
export const deviceOnly = 'gantry/device-only';

export interface Selection {
  definition: LoadedDefinition;
  /** What was left out and why, a sentence each. */
  leftOut: string[];
}

/**
 * The definition without what belongs to a device of its own: its kernel, and components that say so (`deviceOnly`).
 * What depends on those does no longer: the distribution does their work.
 */
export function selectForMachine(definition: LoadedDefinition, images: ResolvedUserland): Selection {
  const leftOut: string[] = [];
  const { image, cmdline } = definition.kernel;
  if (image !== '' || cmdline !== '') leftOut.push(`kernel ${image}: the machine runs its own`.replace('  ', ' '));
  const gone = new Set<string>();
  for (const container of [...definition.onboot, ...definition.services, ...definition.onshutdown]) {
    const why = configOf(container, images).annotations?.[deviceOnly];
    if (why === undefined) continue;
    gone.add(container.name);
    leftOut.push(`${container.name}: ${why}`);
  }
  const keep = (list: SystemContainerSpec[]) =>
    list.filter(({ name }) => !gone.has(name)).map((container) => withoutDependencies(container, gone));
  const { onboot, services, onshutdown } = definition;
  const kept = { onboot: keep(onboot), services: keep(services), onshutdown: keep(onshutdown) };
  return { definition: { ...definition, ...kept, kernel: { image: '', cmdline: '' } }, leftOut };
}

function configOf({ name, image: _image, ...config }: SystemContainerSpec, images: ResolvedUserland): ComponentConfig {
  return mergeConfig(configOfImage(images.containers.get(name)) ?? {}, config);
}

function withoutDependencies(container: SystemContainerSpec, gone: Set<string>): SystemContainerSpec {
  const needs = container.depends_on;
  if (needs === undefined) return container;
  const left = Array.isArray(needs)
    ? needs.filter((name) => !gone.has(name))
    : Object.fromEntries(Object.entries(needs).filter(([name]) => !gone.has(name)));
  return { ...container, depends_on: left };
}
