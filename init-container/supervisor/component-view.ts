import type { ComponentState, Health } from '../../src/shared/api/types.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import {
  type ContainerRecord,
  type ContainerState,
  containerId,
  freshState,
  loadRecord,
  loadState,
  specKey,
} from '../engine/record.ts';
import { monotonicMs } from '../native/clock.ts';
import { parseSignal } from '../native/signals.ts';
import { type HealthMonitor, hasHealthcheck } from './health.ts';
import { defaultOnFailure } from './policy.ts';

/**
 * What is known of one system container: `record` is the container that exists, `spec` what should run from the next start
 * on, `state` what must outlive this process and is in a file.
 */
export class ComponentView {
  readonly name: string;
  /** Which of its two possible containers this is: what crun and the folders go by. */
  instance: string;
  spec: ComponentSpec | undefined;
  record: ContainerRecord | undefined;
  state: ContainerState;
  /** What is being done to it now. */
  activity: 'starting' | 'stopping' | 'waiting' | undefined;
  detail: string | undefined;
  monitor: HealthMonitor | undefined;

  constructor(name: string, instance = name) {
    this.name = name;
    this.instance = instance;
    this.record = loadRecord(instance);
    this.state = loadState(instance) ?? { ...freshState };
  }

  /** It came up beside the container in force and may take its place. */
  get beside(): boolean {
    return this.state.beside ?? false;
  }

  /** The container's name for Docker's clients, of which no two are equal. */
  get containerName(): string {
    return this.beside ? `${this.name}.new` : this.name;
  }

  get running(): boolean {
    return this.state.phase === 'running';
  }

  get kind(): ComponentSpec['kind'] {
    return this.spec?.kind ?? this.record?.kind ?? 'service';
  }

  /** Ended in order to be started again: by a restart or a swap. */
  get betweenRuns(): boolean {
    return this.state.stopReason === 'restart' || this.state.stopReason === 'swap';
  }

  get image(): ComponentSpec['image'] | undefined {
    return this.record?.image ?? this.spec?.image;
  }

  get id(): string {
    return this.record?.id ?? (this.spec ? containerId(this.name, this.spec.image.digest) : '');
  }

  /** The merged configuration once a container exists, else what the definition alone says. */
  get config(): ComponentConfig {
    return this.record?.config ?? this.spec?.config ?? {};
  }

  /** Whether the container is made from what should run. */
  get current(): boolean {
    return this.spec !== undefined && this.record?.specKey === specKey(this.spec);
  }

  get componentState(): ComponentState {
    if (this.activity) return this.activity;
    if (this.state.phase === 'running') return 'running';
    if (this.state.error !== undefined) return 'failed';
    if (this.state.phase === 'created') return 'created';
    return this.state.exitCode === 0 || this.state.stopReason !== undefined ? 'exited' : 'failed';
  }

  /** Milliseconds since its last start; undefined when it does not run. */
  get uptimeMs(): number | undefined {
    const { startedAtMs } = this.state;
    return this.running && startedAtMs !== undefined ? monotonicMs() - startedAtMs : undefined;
  }

  /** Why it is as it is, for people. */
  get reason(): string | undefined {
    const { state } = this;
    if (this.detail !== undefined) return this.detail;
    if (!state.gaveUp || this.running) return state.error;
    const tries = state.restarts > 0 ? ` after ${state.restarts} ${state.restarts === 1 ? 'restart' : 'restarts'}` : '';
    return `failed${tries}: ${state.error ?? `exit code ${state.exitCode}`}`;
  }

  get onFailure(): 'continue' | 'halt' | 'reboot' {
    const wanted = this.config.on_failure ?? defaultOnFailure(this.kind);
    return wanted === 'halt' && this.kind !== 'onboot' ? 'continue' : wanted;
  }

  get health(): Health {
    if (!hasHealthcheck(this.config.healthcheck)) return 'none';
    return this.running ? (this.monitor?.status ?? this.state.health ?? 'starting') : 'none';
  }

  get stopSignal(): NodeJS.Signals {
    return parseSignal(this.config.stop_signal ?? this.record?.imageConfig.StopSignal ?? 'TERM') ?? 'SIGTERM';
  }
}
