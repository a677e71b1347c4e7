import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { crc32 } from 'node:zlib';
import { MalformedError } from './bytes.ts';
import { type Clock, systemClock } from './clock.ts';
import { canCompress } from './compression.ts';
import { FrameDecoder } from './decoder.ts';
import { encodeFrame, sessionSeed } from './frame.ts';
import { Greeter } from './greeter.ts';
import {
  announcement,
  answerTo,
  BeginningFinder,
  decodeHandshake,
  encodeHandshake,
  type Features,
  HANDSHAKE_SEED,
  type Handshake,
  isHandshake,
  PROTOCOL_VERSION,
} from './handshake.ts';
import { LineSpeed } from './line-speed.ts';
import { LinkError } from './link-error.ts';
import type { LinkEvents, LinkOptions, LinkState } from './link-options.ts';
import { Liveness } from './liveness.ts';
import { atMost, closePort } from './port-end.ts';
import { Session } from './session.ts';
import { SessionEnd } from './session-end.ts';
import { DeviceSpeed } from './speed-device.ts';
import { decodeSpeed, encodeSpeed, isSpeedFrame, type SpeedMessage } from './speed-frames.ts';
import { HostSpeed } from './speed-host.ts';
import type { SpeedSide } from './speed-side.ts';
import { isMostlyReadable, ReadableText } from './text.ts';

/** Bytes waiting in the port, above which no frame is added: what waits there cannot be overtaken. */
const PORT_QUEUE = 2048;
/** How long the other side may take to confirm a goodbye. */
const GOODBYE_MS = 500;
/** Bits that a byte takes on the line. */
const BITS_PER_BYTE = 10;
/** How often the other side is told to go back to the safe speed, at once: the line is bad then. */
const TOLD_BACK = 3;

/** Gantry's side of one line: several streams and console text over a port that may lose and change bytes. */
export function createLink(port: Duplex, options: LinkOptions): Link {
  return new Link(port, options);
}

export class Link extends EventEmitter<LinkEvents> {
  readonly #port: Duplex;
  readonly #options: LinkOptions;
  readonly #clock: Clock;
  readonly #decoder: FrameDecoder;
  readonly #liveness: Liveness;
  readonly #finder = new BeginningFinder();
  readonly #greeter: Greeter;
  readonly #line: LineSpeed;
  readonly #readable = new ReadableText();
  #speed: SpeedSide | undefined;
  #isClosing = false;
  #state: LinkState = 'plain';
  #current: SessionEnd | undefined;
  #former: SessionEnd | undefined;
  /** Of the session that is, or that is asked for. */
  #sessionId = 0;
  #peerBootId: string | undefined;

  constructor(port: Duplex, options: LinkOptions) {
    super();
    this.#port = port;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#liveness = new Liveness({
      clock: this.#clock,
      role: options.role,
      ...(options.silenceMs !== undefined && { silenceMs: options.silenceMs }),
      lastSentAt: () => this.#current?.session.lastSentAt ?? 0,
      ping: () => this.#current?.session.ping(),
      isUrgent: () => this.#speed?.isFast === true,
      onSilence: (own, other) => {
        this.#current?.session.bye(own);
        this.#down(other);
      },
    });
    this.#line = new LineSpeed(port, options.speed, this.#clock, () => {
      this.#current?.session.wake();
      this.emit('drain');
    });
    this.#greeter = new Greeter(this.#clock, (session) => this.#sendHello(session));
    this.#decoder = new FrameDecoder({
      clock: this.#clock,
      accept: (body, check) => this.#accept(body, check),
      onText: (text) => this.#text(text),
    });
    port.on('data', (chunk: Buffer) => this.#decoder.push(chunk));
    port.on('drain', () => this.emit('drain'));
    port.on('error', (error: Error) => this.#portGone(`the port failed: ${error.message}`));
    port.on('end', () => this.#portGone('the port was closed'));
    port.on('close', () => this.#portGone('the port was closed'));
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Bits per second that the line runs at now; undefined when that cannot be changed. */
  get baud(): number | undefined {
    return this.#line.baud;
  }

  /** Of the device, once a host was connected to it. */
  get peerBootId(): string | undefined {
    return this.#peerBootId;
  }

  /** Host: the last text that the other side printed, for explaining why it does not answer. At most 1 KB. */
  get recentText(): string {
    return this.#greeter.recentText;
  }

  /**
   * Host: says HELLO until a device answers. Rejects with `LinkError` after `deadlineMs` or when `signal` aborts; the
   * port stays usable as a plain console.
   */
  async connect(options: { deadlineMs: number; signal?: AbortSignal }): Promise<void> {
    if (this.#state === 'up') return;
    if (this.#state !== 'plain') {
      throw new LinkError('closed', this.#state === 'closed' ? 'the port was closed' : 'already connecting');
    }
    this.#state = 'connecting';
    this.#sessionId = randomInt(1, 2 ** 32);
    try {
      await this.#greeter.run(this.#sessionId, options);
    } catch (error) {
      if (this.#state === 'connecting') this.#state = 'plain';
      throw error;
    }
  }

  /** Throws when the link is not up. `priority`: see `priorities`. */
  openStream(service: string, priority: number): Duplex {
    if (!this.#current) throw new LinkError('closed', 'the link is not up');
    return this.#current.session.open(service, priority);
  }

  /** Writes console text, between frames. False when it should wait for `drain`. */
  writeText(bytes: Buffer): boolean {
    if (this.#state === 'closed') return true;
    return this.#line.write(bytes);
  }

  /** Device: tells hosts, unseen by people, that it listens. */
  announce(): void {
    this.writeText(announcement(this.#options.bootId ?? ''));
  }

  /** Says goodbye and makes the line a plain console. The port stays open. */
  disconnect(): void {
    if (!this.#current) return;
    this.#current.session.bye('the other side closed the link');
    this.#down('it was closed');
  }

  /** Says goodbye, waits until the other side has heard it (at most half a second) and closes the port. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    if (this.#current) {
      // An emulator forgets what its guest has not read yet when the port is closed.
      const heard = this.#current.untilGoodbye();
      this.#isClosing = true;
      this.disconnect();
      await atMost(this.#clock, GOODBYE_MS, heard);
    }
    // What opens the port next finds it as this one did.
    await this.#line.toSafe();
    await closePort(this.#port, this.#clock);
    this.#portGone('closed');
  }

  /** What to do with a frame, if its checksum fits. */
  #accept(body: Buffer, check: number): (() => void) | undefined {
    if (isHandshake(body[0])) {
      return crc32(body, HANDSHAKE_SEED) === check ? () => this.#receiveHandshake(body) : undefined;
    }
    if (isSpeedFrame(body[0])) {
      const seed = sessionSeed(this.#sessionId, this.#options.role === 'host' ? 'device' : 'host');
      return crc32(body, seed) === check ? () => this.#receiveSpeed(body) : undefined;
    }
    const packet = this.#current?.verify(body, check);
    if (packet) {
      return () => {
        this.#liveness.heard();
        this.#speed?.heard();
        this.#current?.session.receive(packet);
      };
    }
    const late = this.#former?.verify(body, check);
    return late && (() => this.#former?.receiveLate(late));
  }

  #receiveHandshake(body: Buffer): void {
    let message: Handshake;
    try {
      message = decodeHandshake(body);
    } catch (error) {
      if (error instanceof MalformedError) return;
      throw error;
    }
    if (this.#options.role === 'device') this.#receiveHello(message);
    else this.#receiveAnswer(message);
  }

  #receiveHello(message: Handshake): void {
    if (message.kind !== 'hello') return;
    const { bootId = '', speed } = this.#options;
    const answer = answerTo(message, { bootId, compresses: canCompress, changesSpeed: speed !== undefined });
    if (answer.kind === 'refuse') {
      this.#sendHandshake(answer);
      return;
    }
    const isRepeated = this.#current !== undefined && message.session === this.#sessionId;
    if (!isRepeated) this.#down('another session replaced this one');
    this.#sendHandshake(answer);
    this.#liveness.heard();
    const { session, bytesPerSecond } = message;
    if (!isRepeated) this.#up(session, bytesPerSecond > 0 ? bytesPerSecond : undefined, answer.features);
  }

  #receiveAnswer(message: Handshake): void {
    if (message.kind === 'hello' || this.#state !== 'connecting' || message.session !== this.#sessionId) return;
    if (message.version !== PROTOCOL_VERSION || message.kind === 'refuse') {
      const versions = `the device speaks version ${message.version} of the link protocol, this program version ${PROTOCOL_VERSION}`;
      this.#greeter.fail(new LinkError('version', versions));
      return;
    }
    this.#peerBootId = message.bootId;
    this.#up(this.#sessionId, this.#options.bytesPerSecond, message.features);
    this.#greeter.succeed();
  }

  #up(id: number, bytesPerSecond: number | undefined, { compression, careful, speed }: Features): void {
    const { role } = this.#options;
    const seed = sessionSeed(id, role);
    const stuffing = careful ? 'careful' : 'bare';
    this.#sessionId = id;
    const session: Session = new Session({
      role,
      clock: this.#clock,
      bytesPerSecond,
      compresses: compression,
      send: ({ body, salt }) => this.#write(encodeFrame(body, (seed ^ salt) >>> 0, stuffing)),
      isWritable: () => this.#state === 'up' && this.#port.writableLength < PORT_QUEUE,
      onStream: (stream) => {
        if (!this.emit('stream', stream, stream.service)) stream.destroy(new Error(`no service ${stream.service}`));
      },
      onEnd: (reason, kind) => {
        if (this.#current?.session !== session) return;
        // Confirms a goodbye; says what is wrong with what was sent.
        session.bye(kind === 'bye' ? 'goodbye' : reason);
        this.#down(reason);
      },
      onOutcome: (isLost) => this.#speed?.outcome(isLost),
    });
    if (speed) {
      this.#speed = this.#speedSide(session, bytesPerSecond, (message) => {
        this.#write(encodeFrame(encodeSpeed(message), seed, stuffing));
      });
    }
    this.#current = new SessionEnd(session, id, role, this.#clock);
    this.#state = 'up';
    this.#liveness.start();
    this.emit('up');
    if (this.#speed instanceof HostSpeed) this.#speed.start();
  }

  #speedSide(session: Session, safeRate: number | undefined, send: (message: SpeedMessage) => void): SpeedSide {
    const options = {
      clock: this.#clock,
      line: this.#line,
      send,
      sayBack: (change: number) => {
        for (let time = 0; time < TOLD_BACK; time += 1) send({ type: 'back', change });
      },
      pause: () => session.pause(),
      resume: (baud: number | undefined) => session.resume(baud === undefined ? safeRate : baud / BITS_PER_BYTE),
    };
    if (this.#options.role === 'device') return new DeviceSpeed(options);
    const { fastRates = [] } = this.#options;
    return new HostSpeed({ ...options, rates: fastRates, onSilence: () => this.#liveness.doubt() });
  }

  #receiveSpeed(body: Buffer): void {
    let message: SpeedMessage;
    try {
      message = decodeSpeed(body);
    } catch (error) {
      if (error instanceof MalformedError) return;
      throw error;
    }
    if (!this.#current) return;
    this.#liveness.heard();
    this.#speed?.receive(message);
  }

  #down(reason: string): void {
    if (!this.#current) return;
    this.#former = this.#current;
    this.#current = undefined;
    if (this.#state === 'up') this.#state = 'plain';
    this.#liveness.stop();
    this.#speed?.stop();
    this.#speed = undefined;
    // Who says goodbye hears the answer at the speed of the question.
    if (!this.#isClosing) void this.#line.toSafe();
    this.#former.session.close(reason);
    this.emit('down', reason);
  }

  #text(text: Buffer): void {
    if (this.#options.role === 'host') {
      // Above the safe speed a panic comes at that speed, and is worth staying for; what cannot be read is another speed's.
      if (this.#readable.push(text)) this.#speed?.sawText();
      if (!this.#line.isSafe && !isMostlyReadable(text)) return;
      this.#greeter.sawText(text);
      const sign = this.#finder.push(text);
      if (sign === 'booting') this.#down('the device is booting');
      if (sign === 'announced') {
        this.#down('the device started anew');
        this.#greeter.hurry();
        this.emit('announced');
      }
    }
    this.emit('text', text);
  }

  #sendHello(session: number): void {
    const rate = Math.round(this.#options.bytesPerSecond ?? 0);
    const { careful = false, speed, fastRates = [] } = this.#options;
    const features = { compression: canCompress, careful, speed: speed !== undefined && fastRates.length > 0 };
    this.#sendHandshake({ kind: 'hello', version: PROTOCOL_VERSION, session, bytesPerSecond: rate, features });
    // Where a shell or a boot loader listens instead of Gantry, Ctrl-U takes the greeting off its line again.
    this.#write(Buffer.of(0x15));
  }

  #sendHandshake(message: Handshake): void {
    this.#write(encodeFrame(encodeHandshake(message), HANDSHAKE_SEED, 'cooked'));
  }

  #write(bytes: Buffer): number {
    this.#line.write(bytes, () => this.#current?.session.wake());
    return bytes.length;
  }

  #portGone(reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#decoder.close();
    this.#down(reason);
    this.#greeter.fail(new LinkError('closed', reason));
    this.emit('closed', reason);
  }
}
