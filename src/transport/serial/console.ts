import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeInput, encodeSize, type TerminalSize } from '../../shared/link/console-protocol.ts';
import { messageOf } from '../../shared/message-of.ts';
import { TransportError } from '../transport.ts';
import type { Line, LineOrder, LineReport } from './line.ts';
import { type Situation, SituationWatch } from './situation.ts';

export interface ConsoleEvents {
  /** What the device shows, raw: of the shell, of the kernel, of the boot loader. */
  output: [bytes: Buffer];
  /** Where keys go has changed, or why nothing comes: one line for the person. */
  note: [text: string];
  /** It is over: the shell has ended (no reason), or the line is lost for good. */
  closed: [reason: string | undefined];
}

export interface ConsoleOptions {
  /** Takes the line; again when it was lost. */
  take(): Promise<Line>;
  /** `auto`: a shell of its own on the link whenever the device offers one, else the bare line. `bare`: never a link. */
  mode: 'auto' | 'bare';
  size: TerminalSize;
  /** How long the device may take to answer before keys go to the bare line, in milliseconds; they are held meanwhile. */
  trialMs: number;
}

/** Once the device has announced itself it answers quickly. */
const ANSWER_MS = 5000;
const TAKE_AGAIN_MS = 300;
/** Somebody may want to press a key now, and nothing is going to answer. */
const notGantry: readonly Situation[] = ['boot-loader-countdown', 'boot-loader', 'booting', 'panic'];

/**
 * A person's console of a device, whatever that does: the bare line in its boot loader and while it boots, a shell of its own,
 * beside everything else on the link, once it answers. Survives reboots, unplugged adapters and the end of whoever held the line.
 */
export class SerialConsole extends EventEmitter<ConsoleEvents> {
  readonly #options: ConsoleOptions;
  readonly #over = new AbortController();
  #situation = new SituationWatch();
  #line: Line | undefined;
  /** Where keys go; undefined while that is being found out. */
  #typing: { kind: 'shell' | 'bare'; stream: Duplex } | undefined;
  #held: Buffer[] = [];
  #trial: AbortController | undefined;
  #wantsBare: boolean;
  #size: TerminalSize;
  #isPaused = false;

  constructor(options: ConsoleOptions) {
    super();
    this.#options = options;
    this.#size = options.size;
    this.#wantsBare = options.mode === 'bare';
  }

  /** Undefined while it is being found out. */
  get mode(): 'shell' | 'bare' | undefined {
    return this.#typing?.kind;
  }

  /** Resolves once keys have somewhere to go. Rejects with a `TransportError` when the line cannot be taken. */
  async start(): Promise<void> {
    await this.#take(this.#options.trialMs);
  }

  /** What a person typed. Resolves when more may follow. */
  async write(bytes: Buffer): Promise<void> {
    const target = this.#typing;
    if (!target) {
      this.#held.push(bytes);
      return;
    }
    const { stream } = target;
    if (!stream.writable || stream.write(target.kind === 'shell' ? encodeInput(bytes) : bytes)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.off('drain', done);
        stream.off('close', done);
        resolve();
      };
      stream.once('drain', done);
      stream.once('close', done);
    });
  }

  resize(size: TerminalSize): void {
    this.#size = size;
    if (this.#typing?.kind === 'shell' && this.#typing.stream.writable) this.#typing.stream.write(encodeSize(size));
  }

  /** Whether the shell may send more; the bare line cannot be stopped. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (this.#typing?.kind !== 'shell') return;
    if (isPaused) this.#typing.stream.pause();
    else this.#typing.stream.resume();
  }

  /** Rejects with a `TransportError` when the port cannot do it, or there is none now. */
  control(order: LineOrder): Promise<LineReport> {
    if (!this.#line) return Promise.reject(new TransportError('the line is away', { retry: true }));
    return this.#line.control(order);
  }

  /** From the shell to the bare line, or back. Rejects with a `TransportError` when the line has a link that others use. */
  async toggle(): Promise<void> {
    if (!this.#line || this.#trial) return;
    if (this.#options.mode === 'bare')
      throw new TransportError('this console was opened with --plain', { retry: false });
    this.#wantsBare = this.mode === 'shell';
    if (!this.#wantsBare) {
      await this.#settle(this.#line, ANSWER_MS);
      return;
    }
    const { guests, holder } = await this.#line.control({ do: 'report' });
    if (guests > 0 || holder !== process.pid) {
      this.#wantsBare = false;
      throw new TransportError('other programs use the link on this line: end them first', { retry: true });
    }
    // Closing the line says goodbye to the device, which is what makes it a plain console.
    await this.#line.close();
  }

  async close(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#trial?.abort();
    this.#typing?.stream.destroy();
    await this.#line?.close();
  }

  async #take(trialMs: number): Promise<void> {
    const line = await this.#options.take();
    if (this.#over.signal.aborted) return line.close();
    this.#situation = new SituationWatch();
    this.#line = line;
    line.on('text', (text) => {
      this.#situation.push(text, performance.now());
      if (this.#trial && notGantry.includes(this.#seen().situation)) this.#trial.abort();
      this.emit('output', text);
    });
    const found = (): void => {
      if (this.mode !== 'shell' && !this.#trial && !this.#wantsBare) void this.#settle(line, ANSWER_MS);
    };
    line.on('up', () => {
      // Somebody else has made a link: nothing can be typed into the bare line any more.
      if (this.#options.mode === 'auto') this.#wantsBare = false;
      found();
    });
    line.on('announced', found);
    line.once('closed', (reason) => void this.#lost(line, reason));
    if (line.isClosed) return this.#lost(line, 'it was closed');
    await this.#settle(line, trialMs);
  }

  /** Finds out where keys go. */
  async #settle(line: Line, trialMs: number): Promise<void> {
    const before = this.#typing;
    this.#typing = undefined;
    before?.stream.destroy();
    const shell = this.#wantsBare ? undefined : await this.#tryShell(line, trialMs);
    if (this.#line !== line || this.#over.signal.aborted) {
      shell?.destroy();
      return;
    }
    if (shell) this.#enterShell(shell);
    else {
      const stream = await line.openPlain({ exclusive: this.#options.mode === 'bare' });
      this.#typing = { kind: 'bare', stream };
      if (!this.#wantsBare) this.emit('note', `the bare line: ${this.#seen().words}`);
    }
    for (const bytes of this.#held.splice(0)) await this.write(bytes);
  }

  async #tryShell(line: Line, trialMs: number): Promise<Duplex | undefined> {
    const trial = new AbortController();
    this.#trial = trial;
    try {
      return await line.open('console', { timeoutMs: trialMs, signal: trial.signal });
    } catch (error) {
      // Another version will not become ours by waiting; everything else is what the bare line is for.
      if (error instanceof TransportError && !error.retry && !trial.signal.aborted) this.emit('note', error.message);
      return undefined;
    } finally {
      this.#trial = undefined;
    }
  }

  #enterShell(stream: Duplex): void {
    this.#typing = { kind: 'shell', stream };
    this.emit('note', 'the device answers: this is a shell of its own; other gantry commands work beside it');
    stream.write(encodeSize(this.#size));
    stream.on('data', (chunk: Buffer) => this.emit('output', chunk));
    if (this.#isPaused) stream.pause();
    let hasEnded = false;
    stream.once('end', () => {
      hasEnded = true;
      if (this.#typing?.stream === stream) this.#end(undefined);
    });
    stream.on('error', () => undefined);
    stream.once('close', () => {
      const line = this.#line;
      if (hasEnded || this.#typing?.stream !== stream || !line || line.isClosed) return;
      this.emit('note', `the link is down: ${messageOf(stream.errored ?? 'it was closed')}`);
      void this.#settle(line, this.#options.trialMs);
    });
  }

  async #lost(line: Line, reason: string): Promise<void> {
    if (this.#line !== line) return;
    this.#line = undefined;
    this.#typing?.stream.destroy();
    this.#typing = undefined;
    if (this.#over.signal.aborted) return;
    if (!this.#wantsBare || this.#options.mode === 'bare') this.emit('note', `${reason}; waiting for the line`);
    let said = '';
    for (;;) {
      try {
        await this.#take(this.#options.trialMs);
        if (said) this.emit('note', 'the line is back');
        return;
      } catch (error) {
        if (error instanceof TransportError && !error.retry) return this.#end(error.message);
        if (messageOf(error) !== said) this.emit('note', messageOf(error));
        said = messageOf(error);
      }
      await delay(TAKE_AGAIN_MS, undefined, { signal: this.#over.signal }).catch(() => undefined);
      if (this.#over.signal.aborted) return;
    }
  }

  #end(reason: string | undefined): void {
    if (this.#over.signal.aborted) return;
    void this.close();
    this.emit('closed', reason);
  }

  #seen(): { situation: Situation; words: string } {
    return this.#situation.seen(performance.now());
  }
}
