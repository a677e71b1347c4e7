import { basename, dirname, resolve } from 'node:path';
import { parseBind } from '../../shared/definition/bind.ts';
import { distance } from '../../shared/text/nearest.ts';
import type { FileSpec } from '../component/recipe.ts';
import { ComposeError } from '../errors.ts';
import { readYaml } from '../yaml.ts';
import { type OsDefinition, osDefinitionSchema, type SystemContainerSpec } from './schema.ts';

export interface LoadedDefinition extends Omit<OsDefinition, 'kernel' | 'files'> {
  name: string;
  kernel: { image: string; cmdline: string };
  /** Each with the folder that its relative `source` starts from. */
  files: { spec: FileSpec; baseDir: string; where: string }[];
  /** Folders of the definition files: recipes are looked for below them. */
  dirs: string[];
}

export interface LoadOptions {
  /** False: the definition may be without a kernel. */
  kernel?: boolean;
}

/** Reads OS definitions and merges them as LinuxKit does: kernel fields override, lists append. Checks the whole. */
export async function loadDefinitions(paths: string[], options: LoadOptions = {}): Promise<LoadedDefinition> {
  const first = paths[0];
  if (first === undefined) throw new ComposeError('no OS definition was named');
  const merged: LoadedDefinition = {
    name: basename(first).replace(/\.ya?ml$/, ''),
    kernel: { image: '', cmdline: '' },
    init: [],
    onboot: [],
    services: [],
    onshutdown: [],
    volumes: [],
    files: [],
    dirs: [],
  };
  for (const path of paths) {
    const definition = await readYaml(path, osDefinitionSchema);
    const dir = dirname(resolve(path));
    // What a later file does not say stays as it was.
    const { image = merged.kernel.image, cmdline = merged.kernel.cmdline } = definition.kernel ?? {};
    merged.kernel = { image, cmdline };
    merged.init.push(...definition.init);
    merged.onboot.push(...definition.onboot);
    merged.services.push(...definition.services);
    merged.onshutdown.push(...definition.onshutdown);
    merged.volumes.push(...definition.volumes);
    merged.files.push(...definition.files.map((spec) => ({ spec, baseDir: dir, where: path })));
    if (!merged.dirs.includes(dir)) merged.dirs.push(dir);
  }
  check(merged, paths.join(', '), options);
  return merged;
}

function check(definition: LoadedDefinition, where: string, { kernel = true }: LoadOptions): void {
  if (kernel && definition.kernel.image === '')
    throw new ComposeError('no kernel: name one with kernel: { image: … }', where);
  if (definition.init.length === 0) throw new ComposeError('no init: name the base and the init container', where);
  const containers = [...definition.onboot, ...definition.services, ...definition.onshutdown];
  const seen = new Set(['kernel', 'base', 'init']);
  for (const container of containers) {
    if (seen.has(container.name)) throw new ComposeError(`two components are called ${container.name}`, where);
    seen.add(container.name);
  }
  checkDependencies(containers, where);
  checkOrder(definition, where);
  checkFailures(definition, where);
  checkVolumes(definition, containers, where);
}

function checkVolumes({ volumes }: LoadedDefinition, containers: SystemContainerSpec[], where: string): void {
  const kept = new Map(volumes.map(({ name, persistence }) => [name, persistence]));
  const twice = volumes.find(({ name }, at) => volumes.findIndex((volume) => volume.name === name) !== at);
  if (twice) throw new ComposeError(`two volumes are called ${twice.name}`, where);
  const users = new Map<string, string>();
  for (const container of containers) {
    for (const bind of [...(container.binds ?? []), ...(container['binds.add'] ?? [])]) {
      const { source, volume } = parsedBind(bind, container.name, where);
      if (!volume) continue;
      const persistence = kept.get(source);
      if (persistence === undefined) {
        const hint = 'name it under volumes, or begin it with / for a folder of the device';
        throw new ComposeError(`${container.name} binds the volume "${source}", which does not exist; ${hint}`, where);
      }
      const user = users.get(source) ?? container.name;
      if (persistence === 'revision' && user !== container.name) {
        const words = `${user} and ${container.name} bind the volume ${source}, which belongs to a revision`;
        throw new ComposeError(`${words}: only one component may; give each its own, or make it permanent`, where);
      }
      users.set(source, user);
      if (persistence === 'revision' && container.swap?.strategy === 'overlap') {
        const why = `its volume ${source} belongs to a revision, and is copied while nothing writes to it`;
        throw new ComposeError(`${container.name} cannot be swapped by overlap: ${why}`, where);
      }
    }
  }
}

function parsedBind(bind: string, component: string, where: string) {
  try {
    return parseBind(bind);
  } catch (error) {
    throw new ComposeError(`${component}: ${(error as Error).message}`, where);
  }
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

/** Those that run one after the other cannot wait for what comes later. */
function checkOrder({ onboot, services, onshutdown }: LoadedDefinition, where: string): void {
  const before = new Set<string>();
  for (const list of [onboot, services, onshutdown]) {
    // Services start together: each may wait for any other.
    if (list === services) for (const { name } of list) before.add(name);
    for (const container of list) {
      for (const needed of dependencyNames(container)) {
        if (before.has(needed)) continue;
        const why = list === onboot ? 'onboot components run in order, before all services' : 'it runs later';
        throw new ComposeError(`${container.name} depends on ${needed}, which starts after it: ${why}`, where);
      }
      before.add(container.name);
    }
  }
}

function checkFailures({ onboot, services, onshutdown }: LoadedDefinition, where: string): void {
  const restarts = new Map(services.map(({ name, restart }) => [name, restart]));
  const halting = [...services, ...onshutdown].find(({ on_failure }) => on_failure === 'halt');
  if (halting) throw new ComposeError(`${halting.name} has on_failure: halt, which is for onboot components`, where);
  const passing = [...onboot, ...onshutdown].find(({ critical }) => critical === true);
  if (passing) throw new ComposeError(`${passing.name} cannot be critical: it does not go on running`, where);
  for (const container of [...onboot, ...services]) {
    if (Array.isArray(container.depends_on)) continue;
    for (const [needed, { condition }] of Object.entries(container.depends_on ?? {})) {
      const policy = restarts.get(needed) ?? '';
      if (condition !== 'completed_successfully' || !/^(always|unless-stopped)$/.test(policy)) continue;
      const why = `restart: ${policy} starts it again whenever it ends; use on-failure`;
      throw new ComposeError(`${container.name} waits until ${needed} has completed, which never is: ${why}`, where);
    }
  }
}

function dependencyNames(container: SystemContainerSpec): string[] {
  const needs = container.depends_on ?? [];
  return Array.isArray(needs) ? needs : Object.keys(needs);
}
