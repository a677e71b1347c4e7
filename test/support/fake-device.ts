import { Duplex, PassThrough } from 'node:stream';
import type {
  ConnectionState,
  ConnectionWatch,
  Device,
  DeviceEvent,
  ExecOptions,
  LogLine,
  LogOptions,
  Session,
  SwapOrder,
} from '../../src/device/device.ts';
import type {
  ComponentStatus,
  DeviceInfo,
  GarbageList,
  RevisionList,
  RollbackRequest,
  SwapEvent,
  SwapPlan,
  UpgradeStatus,
} from '../../src/shared/api/types.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { recorderSession } from './recorder-session.ts';

const digest = `sha256:${'ab'.repeat(32)}` as const;
const bootedAt = Date.now() - 3_725_000;

/** A device that exists only in memory: it behaves as its script says, and remembers what it was asked. */
export class FakeDevice implements Device {
  readonly name: string;
  readonly connection: FakeConnection = new FakeConnection();
  /** `restart web`, `swap web web:2`, … in the order they came; readings are not in it. */
  readonly calls: string[] = [];
  list: ComponentStatus[] = demoComponents();
  revisionNumber = 1;
  /** Laid over what `info` and `planSwap` say. */
  infoMore: Partial<DeviceInfo> = {};
  planMore: Partial<SwapPlan> = {};
  garbage: GarbageList = { items: [], bytes: 0 };
  upgradeState: UpgradeStatus | undefined;
  /** While set, a swap waits before each stage until `release`. */
  holdSwaps = false;
  private readonly held: (() => void)[] = [];
  private readonly logLines = new Map<string, LogLine[]>();
  private readonly changed = new Set<() => void>();
  private history: RevisionList['revisions'] = demoRevisions();

  constructor(name = 'bench') {
    this.name = name;
  }

  // What a test does to it -------------------------------------------------------------------------------------------

  log(name: string, texts: string[]): void {
    const lines = this.logLines.get(name) ?? [];
    for (const text of texts) lines.push({ stream: 'stdout', time: timestamp(), text });
    this.logLines.set(name, lines);
    this.wake();
  }

  change(name: string, change: Partial<ComponentStatus>): void {
    this.list = this.list.map((row) => (row.name === name ? { ...row, ...change } : row));
    this.wake();
  }

  lose(detail: string, attempt = 1): void {
    this.connection.set({ state: 'reconnecting', detail, attempt });
    this.wake();
  }

  comeBack(): void {
    this.connection.set({ state: 'connected' });
  }

  release(): void {
    this.holdSwaps = false;
    for (const go of this.held.splice(0)) go();
  }

  // Device -----------------------------------------------------------------------------------------------------------

  async info(): Promise<DeviceInfo> {
    this.mustBeConnected();
    return {
      hostname: 'bench',
      arch: 'arm64',
      kernel: '6.12.48',
      image: { name: 'demo', id: digest },
      bootId: 'f3c2',
      uptimeSeconds: (Date.now() - bootedAt) / 1000,
      persistent: true,
      revision: { number: this.revisionNumber, digest },
      init: { version: '0.1.0', pid: 40, startedAt: time(bootedAt), residentBytes: 46e6, privateBytes: 9e6 },
      cpus: 2,
      memory: { totalBytes: 1024e6, availableBytes: 800e6 },
      ...this.infoMore,
    };
  }

  async components(): Promise<ComponentStatus[]> {
    this.mustBeConnected();
    const atNs = performance.now() * 1e6;
    return this.list.map((row) =>
      row.pid === undefined ? row : { ...row, cpu: { usageNs: atNs / 40, atNs }, uptimeSeconds: uptimeOf(row) },
    );
  }

  async inspect(name: string): Promise<Record<string, unknown>> {
    this.mustBeConnected();
    const labels = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`label.${index}`, `value ${index}`]));
    return { Id: 'c0ffee', Name: `/${name}`, Config: { Labels: labels, Evil: 'a\u001b]0;owned\u0007\u009b2Jb' } };
  }

  async revisions(): Promise<RevisionList> {
    this.mustBeConnected();
    return { current: this.revisionNumber, previous: this.revisionNumber - 1, revisions: this.history };
  }

  /** Each revision has `web`, as its number says. */
  async revision(number: number): Promise<Revision> {
    const image = { ref: `web:${number}`, digest };
    return { schema: 1, components: { web: { kind: 'service', image, order: 0, config: {} } } };
  }

  async start(name: string): Promise<void> {
    this.calls.push(`start ${name}`);
    this.change(name, { state: 'running', startedAt: time(Date.now()), exitCode: undefined });
  }

  async stop(name: string): Promise<void> {
    this.calls.push(`stop ${name}`);
    if (name === 'mosquitto') throw new Error('the device said no:\x1b]52;c;eA==\x07 busy');
    this.change(name, { state: 'exited', exitCode: 143 });
  }

  async restart(name: string): Promise<void> {
    this.calls.push(`restart ${name}`);
    this.change(name, { state: 'running', startedAt: time(Date.now()) });
  }

  async *logs(name: string, options: LogOptions = {}): AsyncIterable<LogLine> {
    const lines = this.logLines.get(name) ?? [];
    const { position = {}, tail = lines.length } = options;
    let at = position.cursor === undefined ? Math.max(0, lines.length - tail) : Number(position.cursor);
    for (;;) {
      const now = this.logLines.get(name) ?? [];
      for (; at < now.length; at++) {
        position.cursor = String(at + 1);
        yield now[at] as LogLine;
      }
      if (options.signal?.aborted) return;
      if (this.connection.current.state !== 'connected') throw new Error('the stream broke');
      if (this.list.find((row) => row.name === name)?.state !== 'running') return;
      await this.nextChange(options.signal);
    }
  }

  async *events(signal: AbortSignal): AsyncIterable<DeviceEvent> {
    while (!signal.aborted) {
      await this.nextChange(signal);
      this.mustBeConnected();
      yield { time: timestamp(), type: 'container', action: 'change', component: 'web' };
    }
  }

  async exec(name: string, options: ExecOptions): Promise<Session> {
    this.calls.push(`exec ${name} ${options.size?.columns}x${options.size?.rows}`);
    return recorderSession(`in ${name}`, (size) => this.calls.push(`resize ${size}`));
  }

  async shell(options: ExecOptions): Promise<Session> {
    this.calls.push(`shell ${options.size?.columns}x${options.size?.rows}`);
    return recorderSession('on the device', (size) => this.calls.push(`resize ${size}`));
  }

  async imagesAtHand(name: string): Promise<string[]> {
    this.mustBeConnected();
    return [`${name}:at-hand`];
  }

  async planSwap([order]: readonly SwapOrder[]): Promise<SwapPlan> {
    this.mustBeConnected();
    const { name = '', image = '' } = order ?? {};
    return {
      base: this.revisionNumber,
      changes: [{ name, from: `${name}:1`, to: image, strategy: 'stop-start', fields: [] }],
      steps: [{ action: 'stable', text: `see that ${name} stays healthy` }],
      restarts: [name],
      send: [{ ref: image, bytes: 12e6, layers: 2 }],
      frees: { items: [], bytes: 0 },
      ...this.planMore,
    };
  }

  async *swap([order]: readonly SwapOrder[], options: { retry?: boolean } = {}): AsyncIterable<SwapEvent> {
    const { name = '', image = '' } = order ?? {};
    this.calls.push(`swap ${name} ${image}${options.retry ? ' retry' : ''}`);
    const event = (stage: SwapEvent['stage'], message: string, more: Partial<SwapEvent> = {}): SwapEvent => ({
      ...{ stage, component: name, at: time(Date.now()), message, ...more },
    });
    for (const done of [0, 6e6, 12e6]) {
      yield event('stage', `sent ${done / 1e6} MB`, { sending: true, progress: { done, total: 12e6 } });
    }
    await this.hold();
    yield event('stop', `stopping ${name}`);
    this.change(name, { state: 'stopping' });
    await this.hold();
    yield event('start', `starting ${image}`);
    await this.hold();
    yield event('probe', 'waiting for health');
    await this.hold();
    if (image.includes('broken')) {
      yield event('rollback', 'GET / answered 503 for 30 s');
      this.change(name, { state: 'running' });
      yield event('failed', 'GET / answered 503 for 30 s', { revision: this.revisionNumber });
      return;
    }
    yield event('commit', 'revision written');
    const before = this.list.find((row) => row.name === name)?.image ?? '';
    this.commit(`swap ${name}`, [{ name, from: before, to: image }]);
    this.change(name, { state: 'running', image, startedAt: time(Date.now()) });
    yield event('done', `${name} runs ${image}`, { revision: this.revisionNumber, downtimeMs: 840 });
  }

  async *rollback(request: RollbackRequest): AsyncIterable<SwapEvent> {
    this.calls.push(`rollback ${JSON.stringify(request)}`);
    const component = request.name ?? 'web';
    yield { stage: 'stop', component, at: time(Date.now()), message: 'stopping' };
    await this.hold();
    this.commit(`rollback ${component}`, [{ name: component, from: 'web:2', to: 'web:1' }]);
    this.change(component, { state: 'running', image: 'web:1' });
    yield { ...{ stage: 'done', component, at: time(Date.now()) }, message: 'back', revision: this.revisionNumber };
  }

  async collectGarbage(dryRun: boolean): Promise<GarbageList> {
    this.mustBeConnected();
    if (!dryRun) this.calls.push('gc');
    return this.garbage;
  }

  async planUpgrade(dir: string): ReturnType<Device['planUpgrade']> {
    this.calls.push(`plan upgrade ${dir}`);
    return {
      image: { name: 'demo', id: 'abcdef0123456789' },
      ...{ method: 'written', bytes: 0, wholeBytes: 76_000_000, seconds: 0, parts: [] },
      rate: { bytesPerSecond: 11_520, how: 'known' },
    };
  }

  async *upgrade(dir: string): ReturnType<Device['upgrade']> {
    this.calls.push(`upgrade ${dir}`);
    yield { message: `sending ${dir}` };
    return { id: 'abcdef0123456789', name: 'demo', state: 'kept' };
  }

  async upgradeStatus(): Promise<UpgradeStatus | undefined> {
    this.mustBeConnected();
    return this.upgradeState;
  }

  async power(action: 'reboot' | 'poweroff'): Promise<void> {
    this.calls.push(action);
  }

  async dial(): Promise<Duplex> {
    return Duplex.from(new PassThrough());
  }

  async close(): Promise<void> {
    this.calls.push('close');
  }

  private commit(reason: string, changes: RevisionList['revisions'][number]['changes']): void {
    this.revisionNumber++;
    const revision = {
      number: this.revisionNumber,
      digest,
      createdAt: time(Date.now()),
      factory: false,
      reason,
      changes,
    };
    const older = this.history.map((each) =>
      each.state === 'current'
        ? { ...each, state: 'previous' as const }
        : each.state === 'previous'
          ? { ...each, state: 'available' as const }
          : each,
    );
    this.history = [{ ...revision, state: 'current' as const }, ...older];
  }

  private mustBeConnected(): void {
    if (this.connection.current.state !== 'connected') throw new Error('not connected');
  }

  private async hold(): Promise<void> {
    if (this.holdSwaps) await new Promise<void>((resolve) => this.held.push(resolve));
  }

  private wake(): void {
    for (const listener of [...this.changed]) listener();
  }

  private nextChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.changed.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.changed.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }
}

class FakeConnection implements ConnectionWatch {
  current: ConnectionState = { state: 'connected' };
  private readonly listeners = new Set<(state: ConnectionState) => void>();

  subscribe(listener: (state: ConnectionState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  set(state: ConnectionState): void {
    this.current = state;
    for (const listener of this.listeners) listener(state);
  }
}

const uptimeOf = ({ startedAt }: ComponentStatus) => (Date.now() - Date.parse(startedAt ?? '')) / 1000;

export function demoComponents(): ComponentStatus[] {
  const startedAt = time(bootedAt + 8000);
  const part = (name: string, kind: ComponentStatus['kind'], image: string, pid?: number): ComponentStatus => ({
    ...{ name, kind, image, digest, state: 'running', health: 'none', restarts: 0 },
    ...(pid === undefined ? {} : { pid, id: `c${pid}`, startedAt, memoryBytes: pid * 1e5 }),
  });
  return [
    part('kernel', 'kernel', 'kernel-arm64:6.12.48'),
    part('base', 'base', 'busybox:1.37'),
    part('init', 'init', 'init:0.1.0', 40),
    part('dhcp', 'service', 'dhcp:1', 51),
    part('sshd', 'service', 'localhost:5000/demo/sshd:1', 52),
    { ...part('mosquitto', 'service', 'mosquitto:2.0.21', 53), restarts: 2 },
    { ...part('web', 'service', 'web:1', 54), health: 'healthy' },
  ];
}

function demoRevisions(): RevisionList['revisions'] {
  const base = { digest, createdAt: '2026-11-21T10:00:00Z', factory: false };
  return [
    {
      ...{ ...base, number: 2, state: 'refused', reason: 'swap web', failure: 'GET / answered 503 for 30 s' },
      changes: [{ name: 'web', from: 'web:1', to: 'web:bad' }],
    },
    {
      ...base,
      number: 1,
      state: 'current',
      reason: 'swap web',
      changes: [{ name: 'web', from: 'web:0', to: 'web:1' }],
    },
    { ...base, number: 0, state: 'previous', reason: 'factory', factory: true, changes: [] },
  ];
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

function timestamp(): string {
  return new Date().toISOString().replace('Z', '000000Z');
}
