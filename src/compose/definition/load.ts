import { basename, dirname, resolve } from 'node:path';
import { distance } from '../../shared/text/nearest.ts';
import type { FileSpec } from '../component/recipe.ts';
import { ComposeError } from '../errors.ts';
import { readYaml } from '../yaml.ts';
import { type OsDefinition, osDefinitionSchema, type SystemContainerSpec } from './schema.ts';

export interface LoadedDefinition extends Omit<OsDefinition, 'kernel' | 'files'> {
  name: string;
  kernel: NonNullable<OsDefinition['kernel']>;
  /** Each with the folder that its relative `source` starts from. */
  files: { spec: FileSpec; baseDir: string; where: string }[];
  /** Folders of the definition files: recipes are looked for below them. */
  dirs: string[];
}

/** Reads OS definitions and merges them as LinuxKit does: kernel fields override, lists append. Checks the whole. */
export async function loadDefinitions(paths: string[]): Promise<LoadedDefinition> {
  const first = paths[0];
  if (first === undefined) throw new ComposeError('no OS definition was named');
  const merged: LoadedDefinition = {
    name: basename(first).replace(/\.ya?ml$/, ''),
    kernel: { image: '', cmdline: '' },
    init: [],
    onboot: [],
    services: [],
    onshutdown: [],
    files: [],
    dirs: [],
  };
  for (const path of paths) {
    const definition = await readYaml(path, osDefinitionSchema);
    const dir = dirname(resolve(path));
    if (definition.kernel !== undefined) merged.kernel = { ...merged.kernel, ...definition.kernel };
    merged.init.push(...definition.init);
    merged.onboot.push(...definition.onboot);
    merged.services.push(...definition.services);
    merged.onshutdown.push(...definition.onshutdown);
    merged.files.push(...definition.files.map((spec) => ({ spec, baseDir: dir, where: path })));
    if (!merged.dirs.includes(dir)) merged.dirs.push(dir);
  }
  check(merged, paths.join(', '));
  return merged;
}

function check(definition: LoadedDefinition, where: string): void {
  if (definition.kernel.image === '') throw new ComposeError('no kernel: name one with kernel: { image: … }', where);
  if (definition.init.length === 0) throw new ComposeError('no init: name the base and the init container', where);
  const containers = [...definition.onboot, ...definition.services, ...definition.onshutdown];
  const seen = new Set(['kernel', 'base', 'init']);
  for (const container of containers) {
    if (seen.has(container.name)) throw new ComposeError(`two components are called ${container.name}`, where);
    seen.add(container.name);
  }
  checkDependencies(containers, where);
}

function checkDependencies(containers: SystemContainerSpec[], where: string): void {
  const graph = new Map(containers.map((c) => [c.name, dependencyNames(c)]));
  for (const [name, needs] of graph) {
    for (const needed of needs) {
      if (graph.has(needed)) continue;
      const near = [...graph.keys()].sort((a, b) => distance(a, needed) - distance(b, needed))[0];
      throw new ComposeError(`${name} depends on ${needed}, which does not exist (nearest: ${near})`, where);
    }
  }
  const done = new Set<string>();
  const visit = (name: string, trail: string[]): void => {
    if (trail.includes(name)) {
      const cycle = [...trail.slice(trail.indexOf(name)), name].join(' → ');
      throw new ComposeError(`depends_on goes in a circle: ${cycle}`, where);
    }
    if (done.has(name)) return;
    for (const needed of graph.get(name) ?? []) visit(needed, [...trail, name]);
    done.add(name);
  };
  for (const name of graph.keys()) visit(name, []);
}

function dependencyNames(container: SystemContainerSpec): string[] {
  const needs = container.depends_on ?? [];
  return Array.isArray(needs) ? needs : Object.keys(needs);
}
