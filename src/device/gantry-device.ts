import type { Duplex } from 'node:stream';
import type { ExecCreateOptions } from 'dockerode';
import {
  type ComponentStatus,
  type DeviceInfo,
  type GarbageList,
  type RevisionList,
  type RollbackRequest,
  type SwapEvent,
  type SwapPlan,
  type UpgradeStatus,
  upgradeStatusSchema,
} from '../shared/api/types.ts';
import { type Revision, revisionSchema } from '../shared/definition/revision.ts';
import { sanitizeName } from '../shared/text/sanitize.ts';
import type { Transport } from '../transport/transport.ts';
import { TransportAgent } from './agent.ts';
import { ApiClient } from './api-client.ts';
import { cleanJson } from './clean.ts';
import { Connection } from './connection.ts';
import type {
  ConnectionWatch,
  Device,
  DeviceEvent,
  ExecOptions,
  LogLine,
  LogOptions,
  Session,
  SwapOptions,
  SwapOrder,
} from './device.ts';
import { DockerApi } from './docker-api.ts';
import { ApiError, UnknownComponentError } from './errors.ts';
import { watchEvents } from './events.ts';
import { followSwap } from './follow-swap.ts';
import { readLogs } from './logs.ts';
import {
  componentsSchema,
  deviceInfoSchema,
  execCreatedSchema,
  garbageListSchema,
  revisionListSchema,
} from './schemas.ts';
import { execSession } from './session.ts';
import type { SwapContext } from './swap.ts';
import type { RateMeter } from './transfer/rate.ts';
import type { UpgradePlan } from './upgrade/plan.ts';
import type { UpgradeProgress } from './upgrade.ts';

/** A device over any transport. */
export class GantryDevice implements Device {
  readonly name: string;
  readonly #connection: Connection;
  readonly #agent: TransportAgent;
  readonly #api: ApiClient;
  readonly #docker: DockerApi;
  readonly #transport: Transport;
  #rates: RateMeter | undefined;

  constructor(name: string, transport: Transport) {
    this.name = name;
    this.#transport = transport;
    this.#connection = new Connection(transport);
    this.#agent = new TransportAgent(() => this.#connection.dial());
    this.#api = new ApiClient(this.#agent);
    this.#docker = new DockerApi(this.#agent);
  }

  get connection(): ConnectionWatch {
    return this.#connection;
  }

  /** See `Connection.connect`. */
  connect(patienceMs?: number): Promise<void> {
    return this.#connection.connect(patienceMs);
  }

  info(): Promise<DeviceInfo> {
    return this.#api.get('/gantry/v1/device', deviceInfoSchema);
  }

  components(): Promise<ComponentStatus[]> {
    return this.#api.get('/gantry/v1/components', componentsSchema);
  }

  async inspect(name: string): Promise<Record<string, unknown>> {
    const document = await this.#of(name, () => this.#docker.inspect(name));
    return cleanJson(document, { lines: true }) as Record<string, unknown>;
  }

  revisions(): Promise<RevisionList> {
    return this.#api.get('/gantry/v1/revisions', revisionListSchema);
  }

  revision(number: number): Promise<Revision> {
    return this.#api.get(`/gantry/v1/revisions/${number}`, revisionSchema, { texts: 'lines' });
  }

  start(name: string): Promise<void> {
    return this.#of(name, () => this.#docker.start(name));
  }

  stop(name: string): Promise<void> {
    return this.#of(name, () => this.#docker.stop(name));
  }

  restart(name: string): Promise<void> {
    return this.#of(name, () => this.#docker.restart(name));
  }

  async *logs(name: string, options?: LogOptions): AsyncGenerator<LogLine> {
    try {
      yield* readLogs({ api: this.#api, connection: this.#connection }, name, options);
    } catch (error) {
      const explained = await this.#explain(name, error);
      throw explained instanceof UnknownComponentError ? explained : error;
    }
  }

  events(signal: AbortSignal): AsyncIterable<DeviceEvent> {
    return watchEvents(this.#api, signal);
  }

  async exec(name: string, options: ExecOptions): Promise<Session> {
    const id = await this.#of(name, () => this.#docker.createExec(name, execRequest(options)));
    return this.#session(id, options);
  }

  async shell(options: ExecOptions): Promise<Session> {
    const created = await this.#api.post('/gantry/v1/exec', execCreatedSchema, { body: execRequest(options) });
    return this.#session(created.Id, options);
  }

  async imagesAtHand(name: string): Promise<string[]> {
    const [{ arch }, components] = await Promise.all([this.info(), this.components()]);
    const current = components.find((component) => component.name === name)?.image;
    if (current === undefined) throw new UnknownComponentError(name, namesOf(components));
    const { builtImages } = await import('./image-source/index.ts');
    const repository = (ref: string) => ref.replace(/:[^:/]*$/, '');
    const { names } = await builtImages(arch);
    return names.filter((ref) => ref !== current && repository(ref) === repository(current)).map(sanitizeName);
  }

  async *swap(orders: readonly SwapOrder[], options: SwapOptions = {}): AsyncGenerator<SwapEvent> {
    const { swapComponents } = await import('./swap.ts');
    yield* swapComponents(await this.#swapContext(options.signal), orders, options);
  }

  async planSwap(orders: readonly SwapOrder[], options: Omit<SwapOptions, 'retry'> = {}): Promise<SwapPlan> {
    const { planSwap } = await import('./swap.ts');
    return planSwap(await this.#swapContext(options.signal), orders, options);
  }

  async *rollback(request: RollbackRequest): AsyncGenerator<SwapEvent> {
    const context = { api: this.#api, connection: this.#connection };
    try {
      yield* followSwap(context, request.name ?? 'the revision', '/gantry/v1/rollback', request);
    } catch (error) {
      throw request.name === undefined ? error : await this.#explain(request.name, error);
    }
  }

  collectGarbage(dryRun: boolean): Promise<GarbageList> {
    return this.#api.post('/gantry/v1/gc', garbageListSchema, { body: { dryRun } });
  }

  async *upgrade(dir: string, options: { signal?: AbortSignal } = {}): AsyncGenerator<UpgradeProgress, UpgradeStatus> {
    const { upgradeDevice } = await import('./upgrade.ts');
    return yield* upgradeDevice(await this.#swapContext(options.signal), dir);
  }

  async planUpgrade(dir: string, options: { signal?: AbortSignal } = {}): Promise<UpgradePlan> {
    const { planUpgrade } = await import('./upgrade.ts');
    return planUpgrade(await this.#swapContext(options.signal), dir);
  }

  async upgradeStatus(): Promise<UpgradeStatus | undefined> {
    try {
      return await this.#api.get('/gantry/v1/upgrade', upgradeStatusSchema);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  power(action: 'reboot' | 'poweroff'): Promise<void> {
    return this.#api.send('POST', '/gantry/v1/power', { body: { action } });
  }

  dial(): Promise<Duplex> {
    return this.#connection.dial();
  }

  async close(): Promise<void> {
    await this.#connection.close();
    this.#agent.destroy();
  }

  async #session(id: string, options: ExecOptions): Promise<Session> {
    const stream = await this.#docker.startExec(id, options.tty, options.tty ? options.size : undefined);
    return execSession(this.#docker, id, stream, options.tty);
  }

  async #swapContext(signal: AbortSignal | undefined): Promise<SwapContext> {
    const [{ HostCache }, { RateMeter }] = await Promise.all([
      import('./transfer/host-cache.ts'),
      import('./transfer/rate.ts'),
    ]);
    this.#rates ??= new RateMeter(this.#transport);
    const [api, connection, rates] = [this.#api, this.#connection, this.#rates];
    return { api, connection, device: this, cache: new HostCache(), rates, ...(signal ? { signal } : {}) };
  }

  async #of<T>(name: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw await this.#explain(name, error);
    }
  }

  /** A 404 becomes "no such component" with the nearest names, or says that this component is no container. */
  async #explain(name: string, error: unknown): Promise<unknown> {
    if (!(error instanceof ApiError) || error.status !== 404) return error;
    const components = await this.components().catch(() => undefined);
    if (!components) return error;
    const component = components.find((candidate) => candidate.name === name);
    if (!component) return new UnknownComponentError(name, namesOf(components));
    if (component.id !== undefined) return error;
    return new ApiError(
      404,
      `${name} is this device's ${component.kind}, not a system container: it can only be swapped`,
    );
  }
}

function namesOf(components: ComponentStatus[]): string[] {
  return components.map((component) => component.name);
}

/** Docker's body of an exec; without a terminal stdin is still attached, as a pipe may be on the other end. */
function execRequest(options: ExecOptions): ExecCreateOptions {
  return {
    Cmd: options.command,
    Tty: options.tty,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    ...(options.env && { Env: options.env }),
    ...(options.tty && options.size && { ConsoleSize: [options.size.rows, options.size.columns] }),
  };
}
