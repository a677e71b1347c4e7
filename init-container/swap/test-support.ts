import { EventEmitter } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComponentStatus, SwapEvent } from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { ComponentKind, ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { openRevisions } from '../revisions/revisions.ts';
import type { Revisions } from '../revisions/types.ts';
import type { ImageStore } from '../store/types.ts';
import type { Supervisor, SupervisorEvents } from '../supervisor/types.ts';
import type { SwapEvents } from './event-log.ts';
import { FileJournal } from './journal.ts';
import { openSwaps, type Swaps } from './swaps.ts';

export const imageDigest = (ref: string): Digest => digestOf(`image ${ref}`);

export function specOf(ref: string, kind: ComponentKind = 'service', order = 0): ComponentSpec {
  return { kind, image: { ref, digest: imageDigest(ref) }, order, config: {} };
}

export const factory: Revision = {
  schema: 1,
  components: {
    kernel: specOf('kernel:6', 'kernel'),
    init: specOf('init:1', 'init'),
    sysctl: specOf('sysctl:1', 'onboot'),
    sshd: specOf('sshd:1', 'service', 0),
    web: specOf('web:1', 'service', 1),
  },
};

/** What goes on on a simulated machine; outlives the processes that watch it, until the power is cut. */
export class Machine {
  boot = 1;
  /** Image digest of the container of each service that is up. */
  readonly up = new Map<string, Digest>();
  /** Images that end as soon as they start, that never get healthy, and that cannot be started at all. */
  readonly broken = new Map<string, 'ends' | 'unhealthy' | 'no start'>();

  cutPower(): void {
    this.boot += 1;
    this.up.clear();
  }
}

/** A supervisor of simulated containers. */
export class SimulatedSupervisor implements Supervisor {
  readonly events = new EventEmitter<SupervisorEvents>();
  readonly specs = new Map<string, ComponentSpec>();
  readonly calls: string[] = [];
  readonly #machine: Machine;

  constructor(machine: Machine, revision: Revision) {
    this.#machine = machine;
    for (const [name, spec] of Object.entries(revision.components)) this.specs.set(name, spec);
  }

  /** Starts what should run and does not; `replace`: also what runs from another image than it should. */
  bringUp(replace: boolean): void {
    for (const [name, { kind, image }] of this.specs) {
      if (kind === 'service' && (replace || !this.#machine.up.has(name))) this.#machine.up.set(name, image.digest);
    }
  }

  setSpec(name: string, spec: ComponentSpec): void {
    this.specs.set(name, spec);
  }

  removeSpec(name: string): void {
    this.specs.delete(name);
  }

  async status(): Promise<ComponentStatus[]> {
    return [...this.specs].map(([name, { kind, image }]) => {
      const digest = this.#machine.up.get(name);
      const runs = digest !== undefined || kind === 'kernel' || kind === 'init';
      return {
        name,
        kind,
        image: image.ref,
        digest: digest ?? image.digest,
        state: runs ? 'running' : 'exited',
        health: 'none',
        restarts: 0,
      };
    });
  }

  async stopForSwap(name: string): Promise<void> {
    this.calls.push(`stop ${name}`);
    this.#machine.up.delete(name);
  }

  async startForSwap(name: string): Promise<void> {
    const image = this.#image(name);
    this.calls.push(`start ${image.ref}`);
    const fault = this.#machine.broken.get(image.ref);
    if (fault === 'no start') throw new Error('no such file: /bin/none');
    if (fault !== 'ends') this.#machine.up.set(name, image.digest);
  }

  prepareForSwap = (): Promise<void> => Promise.resolve();
  startBesideForSwap = (name: string): Promise<void> => this.startForSwap(name);
  settleForSwap = (): Promise<void> => Promise.resolve();

  async waitHealthy(name: string): Promise<void> {
    const image = this.#image(name);
    this.calls.push(`probe ${image.ref}`);
    const fault = this.#machine.broken.get(image.ref);
    if (fault === 'unhealthy') throw new Error('unhealthy: HTTP 500');
    if (!this.#machine.up.has(name)) throw new Error('ended with exit code 1; its last words: oh no');
  }

  start = (): Promise<void> => Promise.reject(new Error('for people only'));
  stop = (): Promise<void> => Promise.reject(new Error('for people only'));
  restart = (): Promise<void> => Promise.reject(new Error('for people only'));

  #image(name: string): ComponentSpec['image'] {
    const spec = this.specs.get(name);
    if (!spec) throw new Error(`no component ${name}`);
    return spec.image;
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

/** One process of a device whose disk is `folder`: what is opened here is what the folder holds. */
export async function openDevice(
  folder: string,
  machine: Machine,
  options: { persistent?: boolean; missing?: string[]; replace?: boolean } = {},
): Promise<Device> {
  const log: string[] = [];
  const report = (message: string) => void log.push(message);
  const paths = { data: join(folder, 'data'), factoryRevision: join(folder, 'revision.json') };
  await mkdir(paths.data, { recursive: true });
  await writeFile(paths.factoryRevision, canonicalJson(factory));
  const revisions = await openRevisions({ paths, log: report });
  const supervisor = new SimulatedSupervisor(machine, revisions.current().revision);
  supervisor.bringUp(options.replace ?? false);
  const swaps = await openSwaps({
    revisions,
    supervisor,
    images: imagesBut(options.missing ?? []),
    journal: new FileJournal(join(paths.data, 'swap.json'), report),
    bootId: `boot ${machine.boot}`,
    persistent: options.persistent ?? true,
    log: report,
  });
  return { machine, supervisor, revisions, swaps, log };
}

export const swapTo = (name: string, ref: string, insist = false) => ({ name, ref, digest: imageDigest(ref), insist });

export async function allOf(events: SwapEvents): Promise<SwapEvent[]> {
  const all: SwapEvent[] = [];
  for await (const event of events.follow()) all.push(event);
  return all;
}
