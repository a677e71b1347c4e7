import { parseDuration } from '../../src/shared/duration.ts';
import type { Engine } from '../engine/engine.ts';
import { forgetExit, wasOomKilled } from '../engine/exits.ts';
import { type ContainerState, freshState, loadRecord, loadState, type StopReason } from '../engine/record.ts';
import { monotonicMs } from '../native/clock.ts';
import { journal } from '../native/journal.ts';
import { signalProcess } from '../native/processes.ts';
import { parseSignal } from '../native/signals.ts';
import { ComponentView } from './component-view.ts';
import { EndWatch } from './life/end-watch.ts';
import { findStartAgain } from './life/find-start.ts';
import { HealthWatch } from './life/health-watch.ts';
import { type ComponentHooks, Notes } from './life/notes.ts';
import { Restarts } from './life/restarts.ts';
import { Succession } from './life/succession.ts';
import { Waiting } from './life/waiting.ts';
import { Mutex } from './mutex.ts';
import { defaultGraceMs } from './policy.ts';
import type { StopOptions } from './types.ts';

/** A process that hangs in the kernel (a bad disk) cannot be killed: it must not keep a device from going down. */
const stuckAtShutdownMs = 10_000;

/** One system container and its life: start, stop, replacement. What belongs to it is in `life/`. */
export class Component extends ComponentView {
  readonly #engine: Engine;
  readonly #mutex = new Mutex();
  readonly #notes: Notes;
  readonly #health: HealthWatch;
  readonly end: EndWatch;
  readonly waiting: Waiting;
  readonly restarts: Restarts;
  readonly succession: Succession;

  constructor(name: string, engine: Engine, hooks: ComponentHooks, instance?: string) {
    super(name, instance);
    this.#engine = engine;
    this.#notes = new Notes(this, hooks);
    this.waiting = new Waiting(this, this.#notes);
    this.end = new EndWatch(this, (exitCode) => this.#ended(exitCode));
    this.#health = new HealthWatch(this, this.#notes);
    this.succession = new Succession(this, engine, this.#notes);
    this.restarts = new Restarts({
      component: this,
      notes: this.#notes,
      waiting: this.waiting,
      mutex: this.#mutex,
      start: () => this.#start(),
    });
  }

  /** Finds again what ran before this process did. Touches nothing that runs. */
  async adopt(): Promise<void> {
    await findStartAgain(this, this.#engine, this.#notes);
    this.end.notice();
    if (!this.running) return;
    await this.end.check();
    if (!this.running) return;
    await this.#health.resume();
    // The last process may have ended between deciding to stop this and doing so. What a person wished is done; what a
    // swap or a restart began is planned again by those who asked for it.
    if (this.state.wish === 'stop') void this.stop('person');
    else if (this.state.stopReason !== undefined) this.#notes.save({ stopReason: undefined });
  }

  /** After a restart of this process: which of the containers that it left this is. */
  standFor(instance: string, { beside }: { beside: boolean }): void {
    this.instance = instance;
    this.record = loadRecord(instance);
    this.state = loadState(instance) ?? { ...freshState };
    if (this.beside && !beside) this.#notes.save({ beside: undefined });
  }

  /** Starts the container if it does not run. Rejects with the reason, which the component's state keeps as well. */
  start(): Promise<void> {
    return this.#mutex.run(() => this.#start());
  }

  /** Stops the container if it runs, and resolves when it has ended. */
  stop(reason: StopReason, options: StopOptions = {}): Promise<void> {
    this.waiting.cancel();
    return this.#mutex.run(() => this.#stop(reason, options));
  }

  /** Stop and start as one step: nothing else gets between. */
  restart(reason: StopReason, options: StopOptions = {}): Promise<void> {
    this.waiting.cancel();
    return this.#mutex.run(async () => {
      await this.#stop(reason, options);
      await this.#start();
    });
  }

  /** Starts what the specification says in a new container: the old one's remains are cleared away afterwards. */
  startAnew(beforeStart: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    this.waiting.cancel();
    return this.#mutex.run(async () => {
      if (this.running) await this.#stop('swap', {});
      const { wish, restarts } = this.state;
      const clearOld = this.succession.leaveFor(await this.succession.spareInstance());
      this.record = undefined;
      this.state = { ...freshState, wish, restarts };
      await beforeStart();
      await this.#start().finally(clearOld);
    });
  }

  /** Starts the container, which is to be known as one beside another from its first moment. */
  startBeside(): Promise<void> {
    this.#notes.save({ beside: true });
    return this.start();
  }

  /** Ends this container and goes on as the one that came up beside it. */
  succeedBy(next: Component): Promise<void> {
    this.waiting.cancel();
    return this.#mutex.run(async () => {
      if (this.running) await this.#stop('swap', {});
      // It has lived its own life meanwhile: it may just be starting again.
      await next.#mutex.run(async () => this.#goOnAs(next));
    });
  }

  #goOnAs(next: Component): void {
    const { wish, restarts } = this.state;
    next.waiting.end();
    next.#health.pause();
    const clearOld = this.succession.leaveFor(next.instance);
    this.record = next.record;
    this.spec = next.spec;
    this.state = next.state;
    // Whatever it still hears of is no business of its own any more: one container has one that writes its state.
    next.#notes.close();
    next.state = { ...freshState };
    this.activity = undefined;
    this.detail = undefined;
    this.#notes.save({ wish, restarts: restarts + this.state.restarts, beside: undefined });
    this.#health.takeOver(next.#health);
    this.#notes.changed();
    clearOld();
    this.end.notice();
    if (this.state.restartAtMs !== undefined) this.restarts.resume();
  }

  /** Removes the container, which must not run. */
  remove(): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.running) return;
      const existed = this.record !== undefined;
      await this.#engine.forget(this.instance);
      if (existed) this.#notes.event('destroy');
      this.record = undefined;
    });
  }

  /** Sends a signal to the container's first process. False when it does not run. */
  async signal(signal: NodeJS.Signals): Promise<boolean> {
    return this.state.process !== undefined && this.running && (await signalProcess(this.state.process, signal));
  }

  setWish(wish: ContainerState['wish']): void {
    const anew = { failures: undefined, gaveUp: undefined, excused: undefined };
    this.#notes.save(wish === 'run' ? { wish, ...anew } : { wish });
    this.#notes.changed();
  }

  /** The boot goes on without it, although it has failed. */
  excuse(): void {
    this.#notes.save({ excused: true });
    this.#notes.changed();
  }

  /** It is not started, because something it needs will never be there. */
  refuse(reason: string): void {
    this.#notes.failed(reason, { gaveUp: true });
    this.#notes.gaveUp();
  }

  /** This process ends. The container goes on, and so does, in the next process, what is waited for. */
  close(): void {
    this.waiting.end();
    this.#health.end();
  }

  async #start(): Promise<void> {
    if (this.running) return;
    const { spec } = this;
    if (!spec) throw new Error(`${this.name} is not part of the current revision: there is nothing to start`);
    // Straight from waiting to starting: in between it would look as if it were left as it is.
    this.waiting.end();
    forgetExit(this.instance);
    // Before it can print anything: its log is read from here on.
    const began = this.#notes.begin();
    const had = this.record?.specKey;
    try {
      const started = await this.#engine.start(this.instance, spec, this.#health.prepare());
      this.record = started.record;
      if (had !== started.record.specKey) this.#notes.event('create');
      this.activity = undefined;
      this.detail = undefined;
      this.#notes.started(began, started);
      this.#health.begin(started.notify);
      this.#notes.event('start');
      this.#notes.changed();
      // It may have ended before the state said that it runs.
      this.end.notice();
    } catch (error) {
      const reason = (error as Error).message;
      journal(`${this.name}: cannot be started: ${reason}`);
      this.#notes.failed(reason);
      this.restarts.consider(128);
      throw new Error(`${this.name} cannot be started: ${reason}`, { cause: error });
    }
  }

  async #stop(reason: StopReason, options: StopOptions): Promise<void> {
    if (!this.running) {
      if (this.state.stopReason !== reason) this.#notes.save({ stopReason: reason });
      return;
    }
    this.#notes.save({ stopReason: reason });
    this.#notes.become('stopping');
    const graceMs = graceOf(options, this.config.stop_grace_period);
    const signal = (options.signal && parseSignal(options.signal)) || this.stopSignal;
    if (graceMs > 0) {
      this.#notes.event('kill', { signal: String(signal) });
      await this.signal(signal);
      if (!(await this.end.endOrDelay(graceMs)))
        journal(`${this.name}: still running ${graceMs / 1000} s after ${signal}; killing it`);
    }
    if (this.running) await this.signal('SIGKILL');
    const ended = await this.end.untilEnded(reason === 'shutdown' ? stuckAtShutdownMs : Number.POSITIVE_INFINITY);
    if (!ended) journal(`${this.name}: still there after SIGKILL; the device goes down without waiting for it`);
    this.#notes.become(undefined);
    this.#notes.event('stop');
  }

  #ended(exitCode: number): void {
    const { startedAtMs } = this.state;
    const ranMs = startedAtMs === undefined ? 0 : monotonicMs() - startedAtMs;
    this.#health.end();
    const oomKilled = wasOomKilled(this.instance);
    this.#notes.ended(exitCode, oomKilled);
    if (oomKilled) this.#notes.event('oom');
    this.#notes.event('die', { exitCode: String(exitCode), execDuration: String(Math.round(ranMs / 1000)) });
    // Without a PID namespace of its own, other processes of it outlive the first. What else is left can wait for a swap,
    // which clears it away when the next one is up.
    const canWait = this.state.stopReason === 'swap' && this.config.pid !== 'host';
    if (!canWait)
      void this.#mutex
        .run(() => (this.running ? Promise.resolve() : this.#engine.cleanUp(this.instance)))
        .catch((error: Error) => journal(`${this.name}: ${error.message}`));
    if (this.activity !== 'stopping') {
      if (this.kind === 'service') journal(`${this.name}: ended with exit code ${exitCode}`);
      this.restarts.afterRun(exitCode, ranMs);
    }
    this.#notes.changed();
  }
}

/** Milliseconds between the stop signal and SIGKILL; infinite for Docker's -1. */
function graceOf({ timeoutSeconds }: StopOptions, fromDefinition: string | undefined): number {
  if (timeoutSeconds === undefined) return parseDuration(fromDefinition ?? '') ?? defaultGraceMs;
  return timeoutSeconds < 0 ? Number.POSITIVE_INFINITY : timeoutSeconds * 1000;
}
