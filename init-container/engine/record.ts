import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Health } from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import type { Digest, ImageConfig } from '../../src/shared/oci/types.ts';
import { faultPointSync } from '../native/fault-point.ts';
import type { ProcessIdentity } from '../native/processes.ts';
import type { Limits } from './limits.ts';
import { containerPaths } from './paths.ts';

/** A container as it was made: what later calls need even when the definition has changed since. */
export interface ContainerRecord {
  id: string;
  /** The component's. */
  name: string;
  /** What it was made from. */
  spec: ComponentSpec;
  kind: ComponentSpec['kind'];
  image: { ref: string; digest: Digest };
  /** Digest over image and configuration: tells whether the container is what the definition wants now. */
  specKey: Digest;
  createdAt: string;
  imageConfig: NonNullable<ImageConfig['config']>;
  /** The image's label and the definition, merged. */
  config: ComponentConfig;
  args: string[];
  env: string[];
  /** Folders of its volumes by name, as of its last start. */
  volumes?: Record<string, string>;
  limits?: Limits;
}

/** Why the supervisor (and not the container itself) ended it, or is about to. */
export type StopReason = 'person' | 'swap' | 'restart' | 'shutdown';

/** What changes while a container lives. The file outlives this process; it is replaced by rename. */
export interface ContainerState {
  phase: 'created' | 'running' | 'exited';
  /** It came up beside the container in force, and a swap has not decided yet which of the two stays. */
  beside?: boolean;
  /** `stop`: a person stopped it, and it stays so. */
  wish: 'run' | 'stop';
  stopReason?: StopReason;
  process?: ProcessIdentity;
  conmon?: ProcessIdentity;
  startedAt?: string;
  finishedAt?: string;
  exitCode?: number;
  oomKilled?: boolean;
  /** Why it could not be started. */
  error?: string;
  restarts: number;
  health?: Exclude<Health, 'none'>;
  /** The program has said since its last start that it is ready. */
  ready?: boolean;
  /** As `startedAt`, in milliseconds since the device's boot: right also while the clock is being set. */
  startedAtMs?: number;
  /** A start has begun and this process does not know yet how it went. */
  starting?: { at: string; atMs: number };
  /** Ends in a row that count for the restart policy; absent = none. */
  failures?: number;
  /** When the restart policy starts it again, in milliseconds since boot. */
  restartAtMs?: number;
  /** It has failed, and its restart policy does not start it again. */
  gaveUp?: boolean;
  /** It stopped the boot, and a person went on without it. */
  excused?: boolean;
}

export const freshState: ContainerState = { phase: 'created', wish: 'run', restarts: 0 };

/**
 * Docker's id. The same component with the same image keeps it over restarts and reboots; only the second of two
 * containers of the same image (`taken`) needs another one.
 */
export function containerId(name: string, digest: Digest, taken?: string): string {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const id = hash(`gantry:${name}:${digest}`);
  return id === taken ? hash(`gantry:${name}:${digest}:beside`) : id;
}

/** Digest over what makes a container different: the image and its configuration, not what people call it. */
export function specKey(spec: ComponentSpec): Digest {
  return digestOf(canonicalJson({ digest: spec.image.digest, kind: spec.kind, config: spec.config }));
}

/** Undefined when there is none (or a half-written one from an older version: then the container is made anew). */
export function loadRecord(instance: string): ContainerRecord | undefined {
  return loadJson<ContainerRecord>(containerPaths(instance).record);
}

export function loadState(instance: string): ContainerState | undefined {
  return loadJson<ContainerState>(containerPaths(instance).state);
}

export function saveRecord(instance: string, record: ContainerRecord): void {
  saveJson(containerPaths(instance).record, record);
}

/** Synchronous on purpose: it is a few hundred bytes on tmpfs, and two changes must never be written in reverse. */
export function saveState(instance: string, state: ContainerState): void {
  mkdirSync(containerPaths(instance).folder, { recursive: true, mode: 0o711 });
  saveJson(containerPaths(instance).state, state);
}

export function removeRecord(instance: string): void {
  rmSync(containerPaths(instance).record, { force: true });
}

function loadJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

function saveJson(path: string, value: object): void {
  // Of a component's two containers now one and now the other is the new one: for fault points they share a name.
  const point = `${basename(dirname(path)).replace(/\.\d+$/, '')} ${basename(path)}`;
  faultPointSync(`before ${point}`);
  writeFileSync(`${path}.tmp`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
  faultPointSync(`after ${point}`);
}
