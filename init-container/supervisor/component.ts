import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { parseDuration } from '../../src/shared/duration.ts';
import { type Engine, forgetExit, readExitCode, saysWhenReady, wasOomKilled } from '../engine/engine.ts';
import { containerPaths, otherInstance } from '../engine/paths.ts';
import {
  type ContainerState,
  freshState,
  loadRecord,
  loadState,
  type StopReason,
  saveState,
} from '../engine/record.ts';
import { monotonicMs } from '../native/clock.ts';
import { journal } from '../native/journal.ts';
import { isRunning, signalProcess } from '../native/processes.ts';
import { parseSignal } from '../native/signals.ts';
import { ComponentView } from './component-view.ts';
import { HealthMonitor, hasHealthcheck, healthSettings } from './health.ts';
import { Mutex } from './mutex.ts';
import { defaultGraceMs, defaultRestart, failuresAfter, restartDelayMs, shouldRestart } from './policy.ts';
import { probe } from './probe.ts';
import { Readiness } from './readiness.ts';
import type { StopOptions } from './types.ts';

/** conmon writes the exit file a moment after the process ended; longer than this, and it will never come. */
const exitFileGraceMs = 3000;

export interface ComponentHooks {
  event(component: Component, action: string, attributes?: Record<string, string>): void;
  /** Something that others wait for has changed. */
  changed(component: Component): void;
  /** It has failed, and its restart policy does not start it again. */
  gaveUp(component: Component): void;
}

/** One system container and its life: start, stop, restart, health. */
export class Component extends ComponentView {
  /** Aborts waiting for a dependency or for a delay. */
  #waiting: AbortController | undefined;
  readonly #engine: Engine;
  readonly #hooks: ComponentHooks;
  readonly #mutex = new Mutex();
  #readiness: Readiness | undefined;
  #exitWaiters: (() => void)[] = [];
  #clearing: Promise<void> = Promise.resolve();

  constructor(name: string, engine: Engine, hooks: ComponentHooks, instance?: string) {
    super(name, instance);
    this.#engine = engine;
    this.#hooks = hooks;
  }

  /** Finds again what ran before this process did. Touches nothing that runs. */
  async adopt(): Promise<void> {
    if (this.state.starting) await this.#adoptStart(this.state.starting);
    if (this.state.phase !== 'running') return;
    await this.checkProcess();
    if (!this.running) return;
    await this.#listenAgain();
    this.#startMonitor();
    // The last process may have ended between deciding to stop this and doing so. What a person wished is done; what a
    // swap or a restart began is planned again by those who asked for it.
    if (this.state.wish === 'stop') void this.stop('person');
    else if (this.state.stopReason !== undefined) this.#save({ stopReason: undefined });
  }

  /** Starts the container if it does not run. Rejects with the reason, which the component's state keeps as well. */
  start(): Promise<void> {
    return this.#mutex.run(() => this.#start());
  }

  /** Stops the container if it runs, and resolves when it has ended. */
  stop(reason: StopReason, options: StopOptions = {}): Promise<void> {
    this.cancelWaiting();
    return this.#mutex.run(() => this.#stop(reason, options));
  }

  /** Stop and start as one step: nothing else gets between. */
  restart(reason: StopReason, options: StopOptions = {}): Promise<void> {
    this.cancelWaiting();
    return this.#mutex.run(async () => {
      await this.#stop(reason, options);
      await this.#start();
    });
  }

  /** The name of the container that could come up beside this one, once what was left of the last such one is gone. */
  async spareInstance(): Promise<string> {
    await this.#clearing;
    return otherInstance(this.instance);
  }

  /** Makes the container that `startAnew` or a second instance with this specification will let run. */
  async prepare(spec: ComponentSpec): Promise<void> {
    await this.#engine.prepare(await this.spareInstance(), spec);
  }

  /** Starts what the specification says in a new container: the old one's remains are cleared away afterwards. */
  startAnew(beforeStart: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    this.cancelWaiting();
    return this.#mutex.run(async () => {
      if (this.running) await this.#stop('swap', {});
      const { wish, restarts } = this.state;
      const clearOld = this.#leave(await this.spareInstance());
      this.record = undefined;
      this.state = { ...freshState, wish, restarts };
      await beforeStart();
      await this.#start().finally(clearOld);
    });
  }

  /** Ends this container and goes on as the one that came up beside it. */
  succeedBy(next: Component): Promise<void> {
    this.cancelWaiting();
    return this.#mutex.run(async () => {
      if (this.running) await this.#stop('swap', {});
      const { wish } = this.state;
      next.handOn();
      const clearOld = this.#leave(next.instance);
      this.record = next.record;
      this.spec = next.spec;
      this.state = next.state;
      this.#readiness = next.#readiness;
      next.#readiness = undefined;
      this.activity = undefined;
      this.detail = undefined;
      this.#save({ wish, beside: undefined });
      if (this.running) this.#startMonitor();
      this.#hooks.changed(this);
      clearOld();
      this.noticeExit();
    });
  }

  /** Clears away what was prepared from another specification than this, or, without one, from any. */
  dropPrepared(unless?: ComponentSpec): void {
    const spare = otherInstance(this.instance);
    if (!this.#engine.isPrepared(spare) || (unless && this.#engine.isPrepared(spare, unless))) return;
    this.#clear(spare);
  }

  /** Goes on as another container. Returns how to clear away what is left of the present one, which has ended. */
  #leave(instance: string): () => void {
    const { record, instance: old } = this;
    this.instance = instance;
    return () => {
      if (record) this.#hooks.event(this, 'destroy', { id: record.id, image: record.image.ref });
      this.#clear(old);
    };
  }

  /** In the background; the next container waits for it. */
  #clear(instance: string): void {
    this.#clearing = this.#engine
      .forget(instance)
      .catch((error: Error) => journal(`${instance}: what is left of it cannot be removed: ${error.message}`));
  }

  /** Another object goes on with this container. */
  handOn(): void {
    this.cancelWaiting();
    this.monitor?.stop();
    this.monitor = undefined;
  }

  /** Starts the container, which is to be known as one beside another from its first moment. */
  startBeside(): Promise<void> {
    this.#save({ beside: true });
    return this.start();
  }

  /** After a restart of this process: which of the containers that it left this is. */
  standFor(instance: string, { beside }: { beside: boolean }): void {
    this.instance = instance;
    this.record = loadRecord(instance);
    this.state = loadState(instance) ?? { ...freshState };
    if (this.beside && !beside) this.#save({ beside: undefined });
  }

  /** Removes the container, which must not run. */
  remove(): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.running) return;
      const existed = this.record !== undefined;
      await this.#engine.forget(this.instance);
      if (existed) this.#hooks.event(this, 'destroy');
      this.record = undefined;
    });
  }

  /** Sends a signal to the container's first process. False when it does not run. */
  async signal(signal: NodeJS.Signals): Promise<boolean> {
    return this.state.process !== undefined && this.running && (await signalProcess(this.state.process, signal));
  }

  setWish(wish: ContainerState['wish']): void {
    const anew = { failures: undefined, gaveUp: undefined, excused: undefined };
    this.#save(wish === 'run' ? { wish, ...anew } : { wish });
    this.#hooks.changed(this);
  }

  /** The boot goes on without it, although it has failed. */
  excuse(): void {
    this.#save({ excused: true });
    this.#hooks.changed(this);
  }

  /** It is not started, because something it needs will never be there. */
  refuse(reason: string): void {
    this.#save({ phase: 'exited', exitCode: 128, error: reason, finishedAt: new Date().toISOString(), gaveUp: true });
    this.#become(undefined, reason);
    this.#hooks.gaveUp(this);
  }

  /** Ends waiting for a dependency or a restart, for good. */
  cancelWaiting(): void {
    if (this.state.restartAtMs !== undefined) this.#save({ restartAtMs: undefined });
    this.#waiting?.abort();
    this.#waiting = undefined;
    if (this.activity === 'waiting') this.#become(undefined);
  }

  /** This process ends. The container goes on, and so does, in the next process, what is waited for. */
  close(): void {
    this.#waiting?.abort();
    this.monitor?.stop();
    this.#readiness?.close();
  }

  /** Marks it as waiting; returns the signal that ends the wait. */
  beginWaiting(detail: string): AbortSignal {
    this.#waiting?.abort();
    this.#waiting = new AbortController();
    this.#become('waiting', detail);
    return this.#waiting.signal;
  }

  describeWaiting(detail: string): void {
    if (this.activity === 'waiting' && this.detail !== detail) this.#become('waiting', detail);
  }

  /** Goes on where this process's predecessor was with a container that had ended. */
  resumeAfterExit(): void {
    if (this.state.restartAtMs !== undefined) this.#restartWhenDue(this.state.restartAtMs);
    else if (this.state.gaveUp) this.#hooks.gaveUp(this);
    else this.#considerRestart(this.state.exitCode ?? 0);
  }

  /** Its exit file has changed, or may have. */
  noticeExit(): void {
    if (!this.running) return;
    const code = readExitCode(this.instance);
    if (code !== undefined) this.#ended(code);
  }

  /** The slow check behind the exit file: a process that ended, or a conmon that was killed. */
  async checkProcess(): Promise<void> {
    const { process, conmon } = this.state;
    if (!this.running || !process) return;
    this.noticeExit();
    if (!this.running) return;
    const alive = await isRunning(process);
    if (alive && conmon && !(await isRunning(conmon))) {
      journal(
        `${this.name}: its conmon (PID ${conmon.pid}) is gone; ending the container, which cannot write any more`,
      );
      await signalProcess(process, 'SIGKILL');
      if (this.state.process === process && this.running) this.#ended(137);
      return;
    }
    if (alive || this.state.process !== process) return;
    if (conmon && (await isRunning(conmon))) await this.#exitOrDelay(exitFileGraceMs);
    if (!this.running || this.state.process !== process) return;
    this.noticeExit();
    if (this.running) this.#ended(255);
  }

  /** Resolves when the container does not run, or after `ms`. */
  async #exitOrDelay(ms: number): Promise<boolean> {
    if (!this.running) return true;
    let timer: NodeJS.Timeout | undefined;
    const exited = new Promise<void>((resolve) => this.#exitWaiters.push(resolve));
    const delay = new Promise<void>((resolve) => {
      if (Number.isFinite(ms)) timer = setTimeout(resolve, ms);
    });
    await Promise.race([exited, delay]);
    clearTimeout(timer);
    return !this.running;
  }

  async #start(): Promise<void> {
    if (this.running) return;
    const { spec } = this;
    if (!spec) throw new Error(`${this.name} is not part of the current revision: there is nothing to start`);
    // Straight from waiting to starting: in between it would look as if it were left as it is.
    this.#waiting?.abort();
    this.#waiting = undefined;
    forgetExit(this.instance);
    // Before it can print anything: its log is read from here on.
    const began = { at: new Date().toISOString(), atMs: monotonicMs() };
    this.#save({ starting: began, restartAtMs: undefined, gaveUp: undefined });
    this.#become('starting');
    const had = this.record?.specKey;
    const readiness = new Readiness(() => this.monitor?.checkNow());
    try {
      const started = await this.#engine.start(this.instance, spec, readiness.hear);
      this.record = started.record;
      readiness.listen(started.notify);
      this.#readiness = readiness;
      if (had !== started.record.specKey) this.#hooks.event(this, 'create');
      this.activity = undefined;
      this.detail = undefined;
      this.#save({
        phase: 'running',
        process: started.process,
        conmon: started.conmon,
        starting: undefined,
        startedAt: began.at,
        startedAtMs: began.atMs,
        finishedAt: undefined,
        exitCode: undefined,
        oomKilled: undefined,
        error: undefined,
        stopReason: undefined,
        health: undefined,
      });
      this.#startMonitor();
      this.#hooks.event(this, 'start');
      this.#hooks.changed(this);
      // It may have ended before the state said that it runs.
      this.noticeExit();
    } catch (error) {
      const reason = (error as Error).message;
      journal(`${this.name}: cannot be started: ${reason}`);
      const finishedAt = new Date().toISOString();
      this.#save({ phase: 'exited', exitCode: 128, error: reason, finishedAt, starting: undefined });
      this.#become(undefined, reason);
      this.#considerRestart(128);
      throw new Error(`${this.name} cannot be started: ${reason}`, { cause: error });
    }
  }

  async #stop(reason: StopReason, options: StopOptions): Promise<void> {
    if (!this.running) {
      if (this.state.stopReason !== reason) this.#save({ stopReason: reason });
      return;
    }
    const grace = this.config.stop_grace_period;
    const graceMs =
      options.timeoutSeconds === undefined
        ? (parseDuration(grace ?? '') ?? defaultGraceMs)
        : options.timeoutSeconds < 0
          ? Number.POSITIVE_INFINITY
          : options.timeoutSeconds * 1000;
    this.#save({ stopReason: reason });
    this.#become('stopping');
    const signal = (options.signal && parseSignal(options.signal)) || this.stopSignal;
    if (graceMs > 0) {
      this.#hooks.event(this, 'kill', { signal: String(signal) });
      await this.signal(signal);
      if (await this.#exitOrDelay(graceMs)) return this.#stopped();
      journal(`${this.name}: still running ${graceMs / 1000} s after ${signal}; killing it`);
    }
    await this.signal('SIGKILL');
    while (!(await this.#exitOrDelay(exitFileGraceMs))) await this.checkProcess();
    this.#stopped();
  }

  #stopped(): void {
    this.#become(undefined);
    this.#hooks.event(this, 'stop');
  }

  #ended(exitCode: number): void {
    const { startedAtMs } = this.state;
    const ranMs = startedAtMs === undefined ? 0 : monotonicMs() - startedAtMs;
    this.monitor?.stop();
    this.monitor = undefined;
    this.#readiness?.close();
    this.#readiness = undefined;
    const oomKilled = wasOomKilled(this.instance);
    this.#save({
      phase: 'exited',
      exitCode,
      oomKilled,
      finishedAt: new Date().toISOString(),
      process: undefined,
      conmon: undefined,
      health: undefined,
    });
    if (oomKilled) this.#hooks.event(this, 'oom');
    this.#hooks.event(this, 'die', { exitCode: String(exitCode), execDuration: String(Math.round(ranMs / 1000)) });
    for (const resolve of this.#exitWaiters.splice(0)) resolve();
    if (this.activity !== 'stopping') {
      if (this.kind === 'service') journal(`${this.name}: ended with exit code ${exitCode}`);
      void this.#mutex
        .run(() => (this.running ? Promise.resolve() : this.#engine.cleanUp(this.instance)))
        .catch((error: Error) => journal(`${this.name}: ${error.message}`));
      this.#save({ failures: failuresAfter(this.state.failures ?? 0, ranMs) || undefined });
      this.#considerRestart(exitCode);
    }
    this.#hooks.changed(this);
  }

  #considerRestart(exitCode: number): void {
    if (this.#held() || !this.spec) return;
    const { failures = 0 } = this.state;
    const policy = this.config.restart ?? defaultRestart(this.kind);
    if (shouldRestart({ policy, kind: this.kind, exitCode, failures })) {
      const restartAtMs = monotonicMs() + restartDelayMs(failures);
      this.#save({ failures: failures + 1, restartAtMs });
      this.#restartWhenDue(restartAtMs);
    } else if (exitCode !== 0) {
      this.#save({ gaveUp: true });
      this.#hooks.gaveUp(this);
    }
  }

  #restartWhenDue(atMs: number): void {
    const delayMs = Math.max(0, atMs - monotonicMs());
    const why = this.state.error ?? `exit code ${this.state.exitCode}`;
    const signal = this.beginWaiting(`restarting in ${Math.ceil(delayMs / 1000)} s after ${why}`);
    const timer = setTimeout(() => {
      if (signal.aborted) return;
      void this.#mutex
        .run(async () => {
          if (signal.aborted || this.running || this.#held()) return;
          this.#save({ restarts: this.state.restarts + 1 });
          await this.#start();
        })
        .catch(() => undefined);
    }, delayMs);
    signal.addEventListener('abort', () => clearTimeout(timer));
  }

  /** This process's predecessor ended in the middle of a start: what it started runs, has ended, or never was. */
  async #adoptStart(began: { at: string; atMs: number }): Promise<void> {
    const found = await this.#engine.findStarted(this.instance);
    if (found === undefined) {
      await this.#engine.cleanUp(this.instance);
      this.#save({ starting: undefined });
      return;
    }
    const run = found === 'exited' ? {} : { process: found.process, conmon: found.conmon };
    this.#save({
      ...run,
      phase: 'running',
      starting: undefined,
      startedAt: began.at,
      startedAtMs: began.atMs,
      finishedAt: undefined,
      exitCode: undefined,
      oomKilled: undefined,
      error: undefined,
      stopReason: undefined,
      health: undefined,
    });
    this.noticeExit();
  }

  /** The socket on which it says that it is ready is its conmon's as well: nothing that came meanwhile is lost. */
  async #listenAgain(): Promise<void> {
    const { conmon, health } = this.state;
    if (!conmon || !saysWhenReady(this.config)) return;
    const readiness = new Readiness(() => this.monitor?.checkNow());
    if (health === 'healthy') readiness.assumeReady();
    this.#readiness = readiness;
    await readiness
      .listenAgain(conmon.pid, containerPaths(this.instance).notifySocket)
      .catch((error: Error) => journal(`${this.name}: it cannot say any more that it is ready: ${error.message}`));
  }

  /** Someone other than the container decided that it shall not run now. */
  #held(): boolean {
    return this.state.wish === 'stop' || this.state.stopReason !== undefined;
  }

  #startMonitor(): void {
    const { process, startedAtMs } = this.state;
    const check = this.config.healthcheck;
    this.monitor?.stop();
    this.monitor = undefined;
    if (!process || !hasHealthcheck(check)) return;
    const target = { name: this.instance, pid: process.pid, hostNetwork: (this.config.net ?? 'host') === 'host' };
    this.monitor = new HealthMonitor({
      settings: healthSettings(check),
      status: this.state.health,
      runningMs: startedAtMs === undefined ? 0 : monotonicMs() - startedAtMs,
      probe: async (timeoutMs) =>
        check.ready && this.#readiness ? this.#readiness.outcome() : probe(check, target, timeoutMs),
      onChange: (health) => {
        this.#save({ health });
        this.#hooks.event(this, `health_status: ${health}`);
        this.#hooks.changed(this);
      },
    });
  }

  #become(activity: Component['activity'], detail?: string): void {
    this.activity = activity;
    this.detail = detail;
    this.#hooks.changed(this);
  }

  #save(change: Partial<ContainerState>): void {
    const before = canonicalJson(this.state);
    this.state = { ...this.state, ...change };
    if (canonicalJson(this.state) !== before) saveState(this.instance, this.state);
  }
}
