import { MalformedError } from './bytes.ts';
import { Alarm, type Clock } from './clock.ts';
import { LinePace } from './line-pace.ts';
import { CREDIT, type LinkStream, LinkStreamError, type StreamOwner } from './link-stream.ts';
import { type Content, type Control, type Filling, Outbox } from './outbox.ts';
import {
  type AckChunk,
  type Chunk,
  type DataChunk,
  type EncodedPacket,
  encodePacket,
  type OpenPacket,
  openPacket,
} from './packet.ts';
import { ReceivedPackets } from './received-packets.ts';
import { SentLog } from './sent-log.ts';
import { MAX_STREAMS, StreamTable } from './stream-table.ts';

export interface SessionOptions {
  role: 'host' | 'device';
  clock: Clock;
  /** Undefined for a line without a rate. */
  bytesPerSecond: number | undefined;
  /** Whether the bytes of streams are compressed: both sides must agree. */
  compresses: boolean;
  /** Puts one packet on the line; returns the bytes that it takes there. */
  send(packet: EncodedPacket): number;
  /** Whether the port takes a frame now; `wake()` is called when that changes. */
  isWritable(): boolean;
  onStream(stream: LinkStream): void;
  /** The other side said goodbye, or broke the rules; the session must be closed. */
  onEnd(reason: string, kind: 'bye' | 'fault'): void;
  /** What became of a packet that was sent. */
  onOutcome(isLost: boolean): void;
}

/** Bytes that control chunks and keystrokes may have in flight above the window. */
const URGENT_BYTES = 1024;
/** Streams of this priority or a lower number are somebody typing. */
const URGENT_PRIORITY = 0;
const TYPING_MS = 2000;
/** What a chunk of data takes beside the data, at most, among other chunks. */
const DATA_HEADER = 16;
/** See `Shape`: half of what would be certain. */
const SHORT_NUMBERS = 128;
const SHORT_OFFSETS = 16 * 1024;

/** Streams over an unreliable line, for as long as both sides agree on one session. */
export class Session implements StreamOwner {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #pace: LinePace;
  readonly #sent: SentLog<Content[]>;
  readonly #received: ReceivedPackets;
  readonly #streams: StreamTable;
  readonly #outbox = new Outbox();
  readonly #paceAlarm: Alarm;
  readonly #lossAlarm: Alarm;
  #isProbing = false;
  #typedAt = Number.NEGATIVE_INFINITY;
  #lastSentAt: number;
  #isScheduled = false;
  #isPaused = false;
  /** Unacknowledged since before the last pause. */
  #formerBytes = 0;
  #isClosed = false;

  constructor(options: SessionOptions) {
    const { clock, bytesPerSecond, role } = options;
    this.#options = options;
    this.#clock = clock;
    this.#pace = new LinePace(clock, bytesPerSecond);
    this.#sent = new SentLog(clock);
    this.#streams = new StreamTable(this, role);
    this.#lastSentAt = clock.now();
    this.#paceAlarm = new Alarm(clock, () => this.#pump());
    this.#lossAlarm = new Alarm(clock, () => this.#expire());
    this.#received = new ReceivedPackets({ clock, isPaced: bytesPerSecond !== undefined, onDue: () => this.#pump() });
  }

  /** When something that must be acknowledged was sent last. */
  get lastSentAt(): number {
    return this.#lastSentAt;
  }

  get compresses(): boolean {
    return this.#options.compresses;
  }

  now(): number {
    return this.#clock.now();
  }

  open(service: string, priority: number): LinkStream {
    const stream = this.#streams.open();
    stream.service = service;
    stream.priority = priority;
    this.#control({ type: 'open', stream });
    return stream;
  }

  /** Asks for a sign of life. */
  ping(): void {
    this.#control({ type: 'ping' });
  }

  /** Sends nothing until `resume`: what is on its way can leave the line, and is not taken for lost meanwhile. */
  pause(): void {
    this.#isPaused = true;
    this.#paceAlarm.clear();
    this.#lossAlarm.clear();
  }

  /** Goes on, on a line of this rate: see `SessionOptions`. */
  resume(bytesPerSecond: number | undefined): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    this.#pace.setRate(bytesPerSecond);
    // What is still unacknowledged has long arrived or is lost: the answer to this one tells which, and nothing waits for it.
    this.#formerBytes = this.#sent.bytes;
    this.#isProbing = true;
    this.ping();
    this.#armLoss();
  }

  /** Says goodbye without waiting for an answer; also when the other side still speaks in a session that is over. */
  bye(reason: string): void {
    const shape = { shortNumber: false, shortOffset: false };
    this.#options.send(encodePacket(this.#sent.number(), [{ type: 'bye', reason }], shape));
  }

  /** Ends every stream with an error. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#paceAlarm.clear();
    this.#lossAlarm.clear();
    this.#received.close();
    for (const stream of this.#streams.takeAll())
      stream.linkDown(new LinkStreamError('ELINKDOWN', `the link is down: ${reason}`));
  }

  /** Sends what there is to send, after the code that runs now (so that small writes share a packet). */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  credit(stream: LinkStream): void {
    const { position, limit } = stream.receiving;
    if (limit - position > CREDIT / 2) return;
    this.#control({ type: 'credit', stream });
  }

  reset(stream: LinkStream, reason: string): void {
    this.done(stream);
    this.#control({ type: 'reset', id: stream.id, reason });
  }

  done(stream: LinkStream): void {
    this.#streams.forget(stream.id);
    this.#outbox.forget(stream);
  }

  /** Reads the head of a packet of this session; undefined when it is none. Its checksum is still to be looked at. */
  read(body: Buffer): OpenPacket | undefined {
    return openPacket(body, {
      nextNumber: this.#received.nextNumber,
      reach: (stream) => this.#streams.reach(stream),
    });
  }

  /** A packet whose checksum fitted. */
  receive(packet: OpenPacket): void {
    if (this.#isClosed) return;
    let chunks: Chunk[];
    try {
      chunks = packet.chunks();
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.#options.onEnd(`the other side sent a malformed packet (${error.message})`, 'fault');
      return;
    }
    const arrival = {
      mustAck: chunks.some((chunk) => chunk.type !== 'ack' && chunk.type !== 'bye'),
      isUrgent: chunks.some(this.#isUrgent),
      bytes: chunks.reduce((sum, chunk) => sum + (chunk.type === 'data' ? chunk.data.length : 0), 0),
    };
    if (!this.#received.note(packet.number, arrival)) return;
    for (const chunk of chunks) {
      if (this.#isClosed) return;
      this.#handle(chunk);
    }
    this.wake();
  }

  readonly #isUrgent = (chunk: Chunk): boolean => {
    if (chunk.type !== 'data') return false;
    const stream = this.#streams.get(chunk.stream);
    return stream !== undefined && stream.priority <= URGENT_PRIORITY && chunk.data.length < 64;
  };

  #handle(chunk: Chunk): void {
    switch (chunk.type) {
      case 'ack':
        this.#acknowledge(chunk);
        break;
      case 'open':
        this.#accept(chunk.stream, chunk.priority, chunk.service);
        break;
      case 'data':
        this.#receiveData(chunk);
        break;
      case 'credit':
        this.#obtain(chunk.stream)?.sending.raiseLimit(chunk.limit);
        break;
      case 'reset': {
        const error = new LinkStreamError('ECONNRESET', `the other side ended the stream: ${chunk.reason}`);
        this.#streams.forget(chunk.stream)?.wasReset(error);
        break;
      }
      case 'bye':
        this.#options.onEnd(chunk.reason, 'bye');
        break;
      case 'ping':
        break;
    }
  }

  #obtain(id: number): LinkStream | undefined {
    const stream = this.#streams.obtain(id);
    if (stream !== 'full') return stream;
    this.#control({ type: 'reset', id, reason: `more than ${MAX_STREAMS} streams at once` });
    return undefined;
  }

  #accept(id: number, priority: number, service: string): void {
    const stream = this.#obtain(id);
    if (!stream || !this.#streams.accept(stream)) return;
    stream.service = service;
    stream.priority = priority;
    this.#options.onStream(stream);
  }

  #receiveData({ stream: id, offset, data, fin }: DataChunk): void {
    const stream = this.#obtain(id);
    if (!stream) return;
    if (stream.priority <= URGENT_PRIORITY) this.#typedAt = this.now();
    const wrong = stream.receive(offset, data, fin);
    if (wrong !== undefined) stream.destroy(new LinkStreamError('EPROTO', `the other side sent ${wrong}`));
  }

  #control(control: Control): void {
    if (this.#isClosed) return;
    if (!this.#outbox.add(control)) this.#options.onEnd('the other side asks for more than it takes', 'fault');
    this.wake();
  }

  #acknowledge({ ranges, delay }: AckChunk): void {
    const result = this.#sent.acknowledge(ranges);
    if (!result) {
      this.#options.onEnd('the other side acknowledged a packet that was never sent', 'fault');
      return;
    }
    if (result.arrived.length > 0) this.#formerBytes = 0;
    for (const packet of result.arrived) {
      this.#pace.acknowledged(packet.size, result.sample);
      this.#options.onOutcome(false);
      for (const content of packet.content) {
        if (content.type === 'data') content.stream.acknowledged(content.start, content.end, content.fin);
      }
    }
    if (result.through !== undefined) this.#pace.heardBack(result.through, delay);
    for (const packet of result.lost) {
      this.#pace.lost(packet.size, result.sample);
      this.#options.onOutcome(true);
      this.#repeat(packet.content);
    }
    if (result.arrived.length + result.lost.length > 0) this.#armLoss();
  }

  #repeat(contents: readonly Content[]): void {
    for (const content of contents) {
      if (content.type === 'ping') continue;
      if (content.type === 'reset') this.#outbox.add(content);
      else if (!this.#isOpen(content.stream)) continue;
      else if (content.type === 'data') content.stream.sending.lose(content.start, content.end, content.fin);
      else this.#outbox.add(content);
    }
  }

  #isOpen(stream: LinkStream): boolean {
    return this.#streams.get(stream.id) === stream;
  }

  #armLoss(): void {
    if (this.#sent.isEmpty || this.#isPaused || this.#isClosed) this.#lossAlarm.clear();
    else
      this.#lossAlarm.set(this.#sent.timeout(this.#pace.duration(Math.max(0, this.#sent.bytes - this.#formerBytes))));
  }

  #expire(): void {
    const packet = this.#sent.expire();
    if (!packet) return;
    this.#options.onOutcome(true);
    this.#repeat(packet.content);
    // A probe goes out even when the window is full, and even when there is nothing left to repeat.
    this.#isProbing = true;
    if (packet.content.every((content) => content.type === 'ping')) this.ping();
    this.#armLoss();
    this.#pump();
  }

  #pump(): void {
    while (!this.#isClosed && !this.#isPaused && this.#options.isWritable()) {
      const { delay } = this.#pace;
      if (delay > 0) {
        const hasWork = this.#received.isAckDue || !this.#outbox.isEmpty || this.#streams.hasPending;
        if (hasWork && !this.#paceAlarm.isSet) this.#pace.waiting(delay);
        if (hasWork) this.#paceAlarm.setNoLater(delay);
        return;
      }
      if (!this.#sendPacket()) return;
    }
  }

  /** False when there is nothing to send now. */
  #sendPacket(): boolean {
    const contents: Content[] = [];
    const chunks: Chunk[] = [];
    let room = this.#pace.packetSize({
      isTyping: this.now() - this.#typedAt < TYPING_MS,
      isProbe: this.#isProbing,
    });
    const packet: Filling = {
      get room() {
        return room;
      },
      add(content, chunk, size) {
        contents.push(content);
        chunks.push(chunk);
        room -= size;
      },
    };
    if (this.#mayHaveInFlight(URGENT_BYTES)) this.#outbox.fill(packet, (stream) => this.#isOpen(stream));
    // A sign of life travels alone: the smaller it is, the likelier it arrives.
    if (!contents.some((content) => content.type === 'ping')) this.#addData(packet);
    if (contents.length === 0 && !this.#received.isAckDue) return false;
    const ack = this.#received.takeAck();
    const number = this.#sent.number();
    const shape = {
      shortNumber: !this.#isProbing && number - this.#sent.newestAcked < SHORT_NUMBERS,
      shortOffset: !this.#isProbing && contents.every(isClose),
    };
    const size = this.#options.send(encodePacket(number, ack ? [ack, ...chunks] : chunks, shape));
    const through = this.#pace.sent(size);
    if (contents.length > 0) {
      this.#isProbing = false;
      this.#lastSentAt = this.now();
      this.#sent.add(number, { size, through, content: contents });
      if (!this.#lossAlarm.isSet) this.#armLoss();
    }
    return true;
  }

  #mayHaveInFlight(above: number): boolean {
    return this.#sent.bytes < this.#pace.window + above || this.#isProbing;
  }

  /** Data of one priority only: what is urgent must not wait for the end of a packet filled with what is not. */
  #addData(packet: Filling): void {
    let level: number | undefined;
    for (;;) {
      const stream = this.#streams.next(level);
      if (!stream) return;
      level = stream.effectivePriority;
      const isUrgent = stream.priority <= URGENT_PRIORITY && level <= URGENT_PRIORITY;
      if (!this.#mayHaveInFlight(isUrgent ? URGENT_BYTES : 0)) return;
      const space = packet.room - DATA_HEADER;
      if (space <= 0) return;
      const piece = stream.sending.take(space);
      if (!piece) return;
      if (isUrgent) this.#typedAt = this.now();
      this.#streams.took(stream);
      stream.noteSent(piece.data.length);
      const end = piece.offset + piece.data.length;
      packet.add(
        { type: 'data', stream, start: piece.offset, end, fin: piece.fin },
        { type: 'data', stream: stream.id, ...piece },
        piece.data.length + DATA_HEADER,
      );
    }
  }
}

function isClose(content: Content): boolean {
  return content.type !== 'data' || content.stream.sending.spread < SHORT_OFFSETS;
}
