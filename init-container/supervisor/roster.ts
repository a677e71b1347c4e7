import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { componentKinds } from '../../src/shared/definition/revision.ts';
import { journal } from '../native/journal.ts';
import type { Component } from './component.ts';
import { UnknownComponentError } from './errors.ts';

/** Kinds that run as containers. */
const containerKinds = new Set<ComponentSpec['kind']>(['onboot', 'service', 'onshutdown']);

/** Which components there are, with the one or two containers of each, and how to find one. */
export class Roster {
  readonly #make: (name: string, instance?: string) => Component;
  /** The container in force of each component. */
  readonly #components = new Map<string, Component>();
  /** Those that came up beside one in force, by the same names. */
  readonly #beside = new Map<string, Component>();
  /** What `setSpec` said last. */
  readonly #said = new Map<string, ComponentSpec>();
  /** Kernel, base and init: known, but not ours to start. */
  readonly #parts = new Map<string, ComponentSpec>();

  constructor(make: (name: string, instance?: string) => Component) {
    this.#make = make;
  }

  /** What should run from the next start on. */
  setSpec(name: string, spec: ComponentSpec): void {
    if (!containerKinds.has(spec.kind)) {
      this.#parts.set(name, spec);
      return;
    }
    this.#said.set(name, spec);
    const component = this.ensure(name);
    component.succession.dropPrepared(spec);
    // Of two containers each goes on with what it was made from.
    if (!this.#beside.has(name)) component.spec = spec;
  }

  /** The revision has it no more. A container that runs stays known until it has ended. */
  removeSpec(name: string): void {
    this.#parts.delete(name);
    this.#said.delete(name);
    const component = this.#components.get(name);
    if (!component) return;
    component.spec = undefined;
    component.waiting.cancel();
    if (!component.running) this.forget(component);
  }

  /** All system containers, in the order of the OS definition. */
  components(): Component[] {
    return [...this.#components.values()]
      .filter((component) => component.spec !== undefined || component.record !== undefined)
      .sort((a, b) => rank(a.kind, a.spec?.order) - rank(b.kind, b.spec?.order) || (a.name < b.name ? -1 : 1));
  }

  /** All containers: while one comes up beside another, both. */
  instances(): Component[] {
    return this.components().flatMap((component) => {
      const beside = this.#beside.get(component.name);
      return beside ? [component, beside] : [component];
    });
  }

  /** Also those of which neither a specification nor a container is left. */
  all(): Component[] {
    return [...this.#components.values(), ...this.#beside.values()];
  }

  /** The container in force. */
  get(name: string): Component | undefined {
    return this.#components.get(name);
  }

  ensure(name: string): Component {
    const existing = this.#components.get(name);
    if (existing) return existing;
    const component = this.#make(name);
    this.#components.set(name, component);
    return component;
  }

  /** The container that came up beside the one in force. */
  beside(name: string): Component | undefined {
    return this.#beside.get(name);
  }

  addBeside(name: string, instance: string, spec: ComponentSpec | undefined): Component {
    const beside = this.#make(name, instance);
    beside.spec = spec;
    this.#beside.set(name, beside);
    return beside;
  }

  removeBeside(name: string): void {
    this.#beside.delete(name);
  }

  /** What `setSpec` said last; of two containers only one may be made from it. */
  saidSpec(name: string): ComponentSpec | undefined {
    return this.#said.get(name);
  }

  /** A component that is no system container: the kernel, the init container, files of the root image. */
  part(name: string): ComponentSpec | undefined {
    return this.#parts.get(name);
  }

  /** Those, in order. */
  parts(): [string, ComponentSpec][] {
    return [...this.#parts].sort(([, a], [, b]) => rank(a.kind, a.order) - rank(b.kind, b.order));
  }

  /** By name, `/name`, Docker id or a unique beginning of one (at least one digit). Throws `UnknownComponentError`. */
  find(reference: string): Component {
    const name = reference.replace(/^\/+/, '');
    const named = this.#components.get(name);
    if (named && (named.spec || named.record)) return named;
    const matches = this.instances().filter(
      ({ id, containerName }) => containerName === name || (/^[0-9a-f]+$/.test(name) && id.startsWith(name)),
    );
    const [only] = matches;
    if (!only || matches.length > 1) throw new UnknownComponentError(reference);
    return only;
  }

  /** Removes a container that has ended, in the background, and the component, unless it is wanted again by then. */
  forget(component: Component): void {
    component
      .remove()
      .then(() => {
        if (!component.spec) this.#components.delete(component.name);
      })
      .catch((error: Error) => journal(`${component.name}: cannot be removed: ${error.message}`));
  }
}

const rank = (kind: ComponentSpec['kind'], order = 0) => componentKinds.indexOf(kind) * 10_000 + order;
