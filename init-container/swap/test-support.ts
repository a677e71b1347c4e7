import { EventEmitter } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentStatus, SwapEvent } from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { boundVolumes } from '../../src/shared/definition/bind.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentKind, ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { specKey } from '../engine/record.ts';
import { Volumes } from '../engine/volumes.ts';
import { openRevisions } from '../revisions/revisions.ts';
import type { Revisions } from '../revisions/types.ts';
import type { ImageStore } from '../store/types.ts';
import type { Supervisor, SupervisorEvents } from '../supervisor/types.ts';
import type { SwapEvents } from './event-log.ts';
import { FileJournal } from './journal.ts';
import type { Change, PartSwapper } from './parts.ts';
import type { Effect, Side } from './planner.ts';
import { openSwaps, type Swaps } from './swaps.ts';

export const imageDigest = (ref: string): Digest => digestOf(`image ${ref}`);

/** Tests do not wait for the stability window unless they are about it. */
export const quick: ComponentConfig = { swap: { stable: '0s' } };

export function specOf(
  ref: string,
  kind: ComponentKind = 'service',
  order = 0,
  config: ComponentConfig = {},
): ComponentSpec {
  return { kind, image: { ref, digest: imageDigest(ref) }, order, config: { ...quick, ...config } };
}

export const factory: Revision = {
  schema: 1,
  components: {
    kernel: specOf('kernel:6', 'kernel'),
    base: specOf('base:1', 'base'),
    init: specOf('init:1', 'init'),
    sysctl: specOf('sysctl:1', 'onboot'),
    sshd: specOf('sshd:1', 'service', 0),
    web: specOf('web:1', 'service', 1),
    app: specOf('app:1', 'service', 2, { depends_on: ['web'], swap: { strategy: 'overlap', stable: '0s' } }),
    store: specOf('store:1', 'service', 3, { binds: ['data:/data'] }),
  },
  volumes: { data: { persistence: 'revision' } },
};

/** A container of a simulated machine. */
export interface Running {
  spec: ComponentSpec;
  pid: number;
}

/** What goes on on a simulated machine; outlives the processes that watch it, until the power is cut. */
export class Machine {
  boot = 1;
  processes = 0;
  /** The container of each service that is up. */
  readonly up = new Map<string, Running>();
  /** The second container of those that have two. */
  readonly beside = new Map<string, Running>();
  /** Images (or `component ENV`) with a fault: how they fail. */
  readonly broken = new Map<string, 'ends' | 'unhealthy' | 'no start' | 'cannot be made'>();
  /** What of each part (kernel, base, init) is in place, and what of it is running. */
  readonly parts = new Map<string, { placed: string; runs: string; effect: Effect }>();
  /** Where the data are of what a container binds. */
  data: (spec: ComponentSpec) => string[] = () => [];
  /** Volumes that were copied: "data: fresh". */
  readonly copies: string[] = [];
  /** Images of parts that start from now on. */
  readonly confirmed: string[] = [];
  /** No volume could be copied. */
  full = false;
  /** Called when a process of the init container, or the device, is to be restarted. */
  onRestart: (effect: Effect) => void = () => undefined;
  #pids = 100;

  /** A container that is started leaves its image's name in its volumes. */
  run(spec: ComponentSpec): Running {
    this.#pids += 1;
    for (const folder of this.data(spec)) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, spec.image.ref), '');
    }
    return { spec, pid: this.#pids };
  }

  runs(name: string): Digest | undefined {
    return this.up.get(name)?.spec.image.digest;
  }

  faultOf(name: string, { image, config }: ComponentSpec) {
    return this.broken.get(image.ref) ?? this.broken.get(`${name} ${config.env?.join(' ')}`);
  }

  /** What an image in a part's place does to the device: it boots it, or the former one is taken. */
  takeEffect(effect: Effect): void {
    for (const part of this.parts.values()) {
      if (part.effect !== effect) continue;
      if (this.broken.get(part.placed) !== 'no start') part.runs = part.placed;
    }
  }

  cutPower(): void {
    this.boot += 1;
    this.up.clear();
    this.beside.clear();
    this.takeEffect('reboot');
    this.takeEffect('restart-init');
  }
}

/** Puts images of parts in place on a simulated machine. */
export class SimulatedSwapper implements PartSwapper {
  readonly #machine: Machine;
  readonly #effect: Effect;

  constructor(machine: Machine, effect: Effect) {
    this.#machine = machine;
    this.#effect = effect;
  }

  canSwap(change: Change): string | undefined {
    return change.new.image.ref.includes('foreign') ? 'its image is for another board' : undefined;
  }

  async apply(change: Change, side: Side): Promise<Effect> {
    const { parts } = this.#machine;
    const placed = change[side].image.ref;
    const runs = parts.get(change.name)?.runs ?? change.old.image.ref;
    parts.set(change.name, { placed, runs, effect: this.#effect });
    if (this.#effect === 'live') this.#machine.takeEffect('live');
    return runs === placed ? 'live' : this.#effect;
  }

  async verify(change: Change, side: Side): Promise<void> {
    const runs = this.#machine.parts.get(change.name)?.runs;
    const wanted = change[side].image.ref;
    if (runs !== wanted) throw new Error(`${runs} runs instead of ${wanted}`);
    if (this.#machine.broken.has(wanted)) throw new Error(`${wanted} does not work`);
  }

  async confirm(change: Change): Promise<void> {
    this.#machine.confirmed.push(change.new.image.ref);
  }
}

/** A supervisor of simulated containers. */
export class SimulatedSupervisor implements Supervisor {
  readonly events = new EventEmitter<SupervisorEvents>();
  readonly specs = new Map<string, ComponentSpec>();
  readonly calls: string[] = [];
  /** Health of components that is not what it should be. */
  readonly ill = new Map<string, 'unhealthy' | 'starting'>();
  readonly #machine: Machine;
  readonly #prepared = new Map<string, ComponentSpec>();

  constructor(machine: Machine, revision: Revision) {
    this.#machine = machine;
    for (const [name, spec] of Object.entries(revision.components)) this.specs.set(name, spec);
  }

  get prepared(): string[] {
    return [...this.#prepared.keys()];
  }

  /** Starts what should run and does not; `replace`: also what runs from another image than it should. */
  bringUp(replace: boolean): void {
    for (const [name, spec] of this.specs) {
      const running = this.#machine.up.get(name);
      const wrong = replace && running !== undefined && specKey(running.spec) !== specKey(spec);
      if (spec.kind === 'service' && (wrong || !running)) this.#machine.up.set(name, this.#machine.run(spec));
    }
  }

  setSpec(name: string, spec: ComponentSpec): void {
    this.specs.set(name, spec);
    const prepared = this.#prepared.get(name);
    if (prepared && specKey(prepared) !== specKey(spec)) this.#prepared.delete(name);
  }

  removeSpec(name: string): void {
    this.specs.delete(name);
  }

  /** Tells of something that happened to a container, as the engine does. */
  tell(component: string, action: string): void {
    const event = { action, component, id: '', image: '', timeNano: 0n, attributes: {} };
    this.events.emit('event', event);
  }

  async status(): Promise<ComponentStatus[]> {
    return [...this.specs].map(([name, spec]) => {
      const part = ['kernel', 'base', 'init'].includes(spec.kind);
      const beside = this.#machine.beside.get(name);
      const running = beside ?? this.#machine.up.get(name);
      const { image } = running?.spec ?? spec;
      return {
        name,
        kind: spec.kind,
        image: image.ref,
        digest: image.digest,
        ...(running ? { spec: specKey(running.spec), pid: running.pid } : {}),
        ...(beside ? { beside: true } : {}),
        state: part || running ? 'running' : 'exited',
        health: this.ill.get(name) ?? 'none',
        restarts: 0,
      };
    });
  }

  async stopForSwap(name: string): Promise<void> {
    this.calls.push(`stop ${name}`);
    this.#machine.up.delete(name);
  }

  async prepareForSwap(name: string, spec: ComponentSpec): Promise<void> {
    if (this.#machine.faultOf(name, spec) === 'cannot be made') throw new Error('no program in the image');
    this.#prepared.set(name, spec);
  }

  async startForSwap(name: string): Promise<void> {
    const spec = this.#spec(name);
    this.calls.push(`start ${spec.image.ref}`);
    this.#prepared.delete(name);
    const fault = this.#machine.faultOf(name, spec);
    if (fault === 'no start') throw new Error('no such file: /bin/none');
    if (fault !== 'ends') this.#machine.up.set(name, this.#machine.run(spec));
  }

  async startBesideForSwap(name: string): Promise<void> {
    const spec = this.#spec(name);
    this.calls.push(`start ${spec.image.ref} beside`);
    if (this.#machine.faultOf(name, spec) === 'no start') throw new Error('no such file: /bin/none');
    this.#machine.beside.set(name, this.#machine.run(spec));
  }

  async settleForSwap(name: string, keep: 'old' | 'new'): Promise<void> {
    this.calls.push(`settle ${name} ${keep}`);
    const second = this.#machine.beside.get(name);
    if (keep === 'new' && second) this.#machine.up.set(name, second);
    this.#machine.beside.delete(name);
  }

  async waitHealthy(name: string): Promise<void> {
    const spec = this.#spec(name);
    this.calls.push(`probe ${spec.image.ref}`);
    if (this.#machine.faultOf(name, spec) === 'unhealthy') throw new Error('unhealthy: HTTP 500');
    if (!(this.#machine.beside.get(name) ?? this.#machine.up.get(name)))
      throw new Error('ended with exit code 1; its last words: oh no');
  }

  keepForSwap = async (): Promise<void> => undefined;

  start = (): Promise<void> => Promise.reject(new Error('for people only'));
  stop = (): Promise<void> => Promise.reject(new Error('for people only'));
  restart = (): Promise<void> => Promise.reject(new Error('for people only'));

  #spec(name: string): ComponentSpec {
    const spec = this.specs.get(name);
    if (!spec) throw new Error(`no component ${name}`);
    return spec;
  }
}

/** A store that has every image there is, but for `missing`. */
export function imagesBut(missing: string[]): ImageStore {
  return {
    get: async (digest) => {
      if (missing.some((ref) => imageDigest(ref) === digest))
        throw new Error(`the image ${digest} is not on this device`);
      const empty = { mediaType: '', digest, size: 0 };
      return {
        digest,
        manifest: { schemaVersion: 2, config: empty, layers: [] },
        config: { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } },
        layers: [],
        sizeBytes: 0,
      };
    },
    list: async () => [],
  };
}

export interface Device {
  machine: Machine;
  supervisor: SimulatedSupervisor;
  revisions: Revisions;
  swaps: Swaps;
  log: string[];
}

export interface DeviceOptions {
  persistent?: boolean;
  missing?: string[];
  /** The supervisor puts right what it finds running and is not as the revision says. */
  replace?: boolean;
  /** What the device starts as. */
  factory?: Revision;
  /** Without a way to swap kernel, base and init. */
  withoutParts?: boolean;
}

/** One process of a device whose disk is `folder`: what is opened here is what the folder holds. */
export async function openDevice(folder: string, machine: Machine, options: DeviceOptions = {}): Promise<Device> {
  machine.processes += 1;
  // Whatever ended the last process, the launcher starts what is in place now.
  machine.takeEffect('restart-init');
  const log: string[] = [];
  const report = (message: string) => void log.push(message);
  const paths = { data: join(folder, 'data'), factoryRevision: join(folder, 'revision.json') };
  await mkdir(paths.data, { recursive: true });
  await writeFile(paths.factoryRevision, canonicalJson(options.factory ?? factory));
  const revisions = await openRevisions({ imageId: 'os', paths, log: report });
  const volumes = new Volumes({
    revision: () => revisions.current().revision,
    configFor: async ({ config }) => config,
    paths: { data: paths.data, run: join(folder, 'run') },
  });
  machine.data = (spec) => {
    const binds = boundVolumes(spec.config.binds);
    return binds.map((name) => join(paths.data, 'volumes/revision', name, hexOf(specKey(spec))));
  };
  const supervisor = new SimulatedSupervisor(machine, revisions.current().revision);
  supervisor.bringUp(options.replace ?? false);
  const swaps = await openSwaps({
    revisions,
    supervisor,
    images: imagesBut(options.missing ?? []),
    journal: new FileJournal(join(paths.data, 'swap.json'), report),
    bootId: `boot ${machine.boot}`,
    processId: `process ${machine.processes}`,
    swappers: options.withoutParts
      ? {}
      : {
          kernel: new SimulatedSwapper(machine, 'reboot'),
          init: new SimulatedSwapper(machine, 'restart-init'),
          base: new SimulatedSwapper(machine, 'live'),
        },
    restart: (effect) => {
      machine.onRestart(effect);
      return new Promise(() => undefined);
    },
    volumes: {
      mustFit: async (from, to, options) => {
        if (machine.full) throw new Error('the volume "data" does not fit');
        await volumes.mustFit(from, to, options);
      },
      copyRevisionVolume: async (volume, from, to, options) => {
        if (machine.up.has('store')) throw new Error(`${volume} is in use`);
        machine.copies.push(`${volume}${options.fresh ? ' fresh' : ''}`);
        await volumes.copyRevisionVolume(volume, from, to, options);
      },
      settleCopies: () => volumes.settleCopies(),
    },
    persistent: options.persistent ?? true,
    log: report,
  });
  return { machine, supervisor, revisions, swaps, log };
}

export const imageOf = (ref: string) => ({ ref, digest: imageDigest(ref) });

/** A request for another image of one component. */
export const swapTo = (name: string, ref: string, retry = false) => ({
  changes: [{ name, image: imageOf(ref) }],
  retry,
});

/** A request for another configuration of one component. */
export const configure = (name: string, config: ComponentConfig, retry = false) => ({
  changes: [{ name, config: { ...quick, ...config } }],
  retry,
});

/** All events, or those up to the first of a stage. */
export async function allOf(events: SwapEvents, until?: SwapEvent['stage']): Promise<SwapEvent[]> {
  const all: SwapEvent[] = [];
  for await (const event of events.follow()) {
    all.push(event);
    if (event.stage === until) break;
  }
  return all;
}
