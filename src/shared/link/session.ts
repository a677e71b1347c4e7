import { type ByteReader, MalformedError } from './bytes.ts';
import { Alarm, type Clock } from './clock.ts';
import { LinePace } from './line-pace.ts';
import { CREDIT, LinkStream, LinkStreamError, type StreamOwner } from './link-stream.ts';
import { type Chunk, dataOverhead, decodePacket, encodedLength, encodePacket } from './packet.ts';
import { RangeSet } from './ranges.ts';
import { SentLog } from './sent-log.ts';

export interface SessionOptions {
  role: 'host' | 'device';
  clock: Clock;
  /** Undefined for a line without a rate. */
  bytesPerSecond: number | undefined;
  /** Puts one packet on the line; returns the bytes that it takes there. */
  send(packet: Buffer): number;
  /** Whether the port takes a frame now; `wake()` is called when that changes. */
  isWritable(): boolean;
  onStream(stream: LinkStream): void;
  /** The other side said goodbye, or broke the rules; the session must be closed. */
  onEnd(reason: string, kind: 'bye' | 'fault'): void;
}

/** What must be done again when the packet that carried it is lost. */
type Content =
  | { type: 'data'; stream: LinkStream; start: number; end: number; fin: boolean }
  | { type: 'open' | 'credit'; stream: LinkStream }
  | { type: 'reset'; id: number; reason: string }
  | { type: 'ping' };
type Control = Exclude<Content, { type: 'data' }>;

const ACK_EVERY = 4;
const ACK_DELAY_PACED = 40;
const ACK_DELAY_UNPACED = 4;
const KEPT_ACK_RANGES = 64;
/** Bytes that control chunks and keystrokes may have in flight above the window. */
const URGENT_BYTES = 1024;
/** Streams of this priority or a lower number are somebody typing. */
const URGENT_PRIORITY = 0;
const TYPING_MS = 2000;
const MAX_STREAMS = 256;
const KEPT_CLOSED_RANGES = 512;
/** Opened, reset and pinged but not sent yet, at most: more is a side that does not listen. */
const MAX_CONTROLS = 4096;
/** Longer than everything of a packet that is not a chunk: kind, number, CRC, marks, an acknowledgement. */
const ROOM_FOR_DATA = 24;

/** Streams over an unreliable line, for as long as both sides agree on one session. */
export class Session implements StreamOwner {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #pace: LinePace;
  readonly #sent: SentLog<Content[]>;
  readonly #received = new RangeSet();
  readonly #streams = new Map<number, LinkStream>();
  readonly #opened = new WeakSet<LinkStream>();
  readonly #closed = new RangeSet();
  readonly #controls: Control[] = [];
  readonly #creditWanted = new Set<LinkStream>();
  readonly #paceAlarm: Alarm;
  readonly #ackAlarm: Alarm;
  readonly #lossAlarm: Alarm;
  #nextId: number;
  #unacked = 0;
  #ackNow = false;
  #probes = 0;
  #typedAt = Number.NEGATIVE_INFINITY;
  #lastSentAt: number;
  #lastStream = -1;
  #isScheduled = false;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#pace = new LinePace(options.clock, options.bytesPerSecond);
    this.#sent = new SentLog(options.clock);
    this.#nextId = options.role === 'host' ? 1 : 2;
    this.#lastSentAt = options.clock.now();
    this.#paceAlarm = new Alarm(options.clock, () => this.#pump());
    this.#lossAlarm = new Alarm(options.clock, () => this.#expire());
    this.#ackAlarm = new Alarm(options.clock, () => {
      this.#ackNow = true;
      this.#pump();
    });
  }

  /** When something that must be acknowledged was sent last. */
  get lastSentAt(): number {
    return this.#lastSentAt;
  }

  now(): number {
    return this.#clock.now();
  }

  open(service: string, priority: number): LinkStream {
    const stream = new LinkStream(this, this.#nextId);
    this.#nextId += 2;
    stream.service = service;
    stream.priority = priority;
    this.#streams.set(stream.id, stream);
    this.#control({ type: 'open', stream });
    return stream;
  }

  /** Asks for a sign of life. */
  ping(): void {
    if (!this.#controls.some((control) => control.type === 'ping')) this.#control({ type: 'ping' });
  }

  /** Says goodbye without waiting for an answer; also when the other side still speaks in a session that is over. */
  bye(reason: string): void {
    this.#options.send(encodePacket(this.#sent.number(), [{ type: 'bye', reason }]));
  }

  /** Ends every stream with an error. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const alarm of [this.#paceAlarm, this.#ackAlarm, this.#lossAlarm]) alarm.clear();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.linkDown(new LinkStreamError('ELINKDOWN', `the link is down: ${reason}`));
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
    if (limit - position > CREDIT / 2 || this.#isClosed) return;
    this.#creditWanted.add(stream);
    this.wake();
  }

  reset(stream: LinkStream, reason: string): void {
    this.#forget(stream);
    this.#control({ type: 'reset', id: stream.id, reason });
  }

  done(stream: LinkStream): void {
    this.#forget(stream);
  }

  /** A packet whose checksum fitted. `reader` stands behind its kind byte. */
  receive(reader: ByteReader): void {
    if (this.#isClosed) return;
    let packet: ReturnType<typeof decodePacket>;
    try {
      packet = decodePacket(reader);
    } catch (error) {
      if (error instanceof MalformedError)
        this.#options.onEnd(`the other side sent a malformed packet (${error.message})`, 'fault');
      else throw error;
      return;
    }
    const mustAck = packet.chunks.some((chunk) => chunk.type !== 'ack' && chunk.type !== 'bye');
    if (!this.#note(packet.number, mustAck)) return;
    for (const chunk of packet.chunks) {
      if (this.#isClosed) return;
      this.#handle(chunk);
    }
    this.wake();
  }

  /** Remembers that packet `number` arrived; false when it had arrived before. */
  #note(number: number, mustAck: boolean): boolean {
    const highest = this.#received.ranges.at(-1)?.end ?? 0;
    const isNew = !this.#received.has(number);
    if (isNew) {
      this.#received.add(number, number + 1);
      this.#received.limit(KEPT_ACK_RANGES);
    }
    if (mustAck || !isNew) {
      this.#unacked += 1;
      if (!isNew || number !== highest || this.#unacked >= ACK_EVERY) this.#ackNow = true;
      else this.#ackAlarm.setNoLater(this.#options.bytesPerSecond === undefined ? ACK_DELAY_UNPACED : ACK_DELAY_PACED);
    }
    return isNew;
  }

  #handle(chunk: Chunk): void {
    switch (chunk.type) {
      case 'ack':
        this.#acknowledge(chunk.ranges);
        break;
      case 'open':
        this.#accept(chunk.stream, chunk.priority, chunk.service);
        break;
      case 'data': {
        const stream = this.#stream(chunk.stream);
        if (!stream) break;
        if (stream.priority <= URGENT_PRIORITY) this.#typedAt = this.now();
        const wrong = stream.receive(chunk.offset, chunk.data, chunk.fin);
        if (wrong !== undefined) stream.destroy(new LinkStreamError('EPROTO', `the other side sent ${wrong}`));
        break;
      }
      case 'credit':
        this.#stream(chunk.stream)?.sending.raiseLimit(chunk.limit);
        break;
      case 'reset': {
        const stream = this.#streams.get(chunk.stream);
        this.#markClosed(chunk.stream);
        this.#streams.delete(chunk.stream);
        stream?.wasReset(new LinkStreamError('ECONNRESET', `the other side ended the stream: ${chunk.reason}`));
        break;
      }
      case 'bye':
        this.#options.onEnd(chunk.reason, 'bye');
        break;
      case 'ping':
        break;
    }
  }

  #isLocal(id: number): boolean {
    return id % 2 === (this.#options.role === 'host' ? 1 : 0);
  }

  /** The stream, made if the other side may have opened it in a packet that is still missing. */
  #stream(id: number): LinkStream | undefined {
    const known = this.#streams.get(id);
    if (known || id === 0 || this.#isLocal(id) || this.#closed.has(id)) return known;
    if (this.#streams.size >= MAX_STREAMS) {
      this.#markClosed(id);
      this.#control({ type: 'reset', id, reason: `more than ${MAX_STREAMS} streams at once` });
      return undefined;
    }
    const stream = new LinkStream(this, id);
    this.#streams.set(id, stream);
    return stream;
  }

  #accept(id: number, priority: number, service: string): void {
    const stream = this.#isLocal(id) ? undefined : this.#stream(id);
    if (!stream || this.#opened.has(stream)) return;
    this.#opened.add(stream);
    stream.service = service;
    stream.priority = priority;
    this.#options.onStream(stream);
  }

  #forget(stream: LinkStream): void {
    this.#streams.delete(stream.id);
    this.#creditWanted.delete(stream);
    this.#markClosed(stream.id);
  }

  #markClosed(id: number): void {
    // Ids are odd on one side and even on the other; halved they make few ranges.
    if (this.#isLocal(id)) return;
    this.#closed.add(id, id + 2);
    this.#closed.limit(KEPT_CLOSED_RANGES);
  }

  #control(control: Control): void {
    if (this.#isClosed) return;
    this.#controls.push(control);
    if (this.#controls.length > MAX_CONTROLS)
      this.#options.onEnd('the other side asks for more than it takes', 'fault');
    this.wake();
  }

  #acknowledge(ranges: Parameters<SentLog<Content[]>['acknowledge']>[0]): void {
    const result = this.#sent.acknowledge(ranges);
    if (!result) {
      this.#options.onEnd('the other side acknowledged a packet that was never sent', 'fault');
      return;
    }
    for (const packet of result.arrived) {
      this.#pace.acknowledged(packet.size, result.sample);
      for (const content of packet.content) {
        if (content.type === 'data') content.stream.acknowledged(content.start, content.end, content.fin);
      }
    }
    for (const packet of result.lost) {
      this.#pace.lost(packet.size, result.sample);
      this.#repeat(packet.content);
    }
    if (result.arrived.length + result.lost.length > 0) this.#armLoss();
  }

  #repeat(contents: readonly Content[]): void {
    for (const content of contents) {
      if (content.type === 'ping') continue;
      if (content.type === 'reset') this.#controls.push(content);
      else if (!this.#streams.has(content.stream.id)) continue;
      else if (content.type === 'data') content.stream.sending.lose(content.start, content.end, content.fin);
      else if (content.type === 'credit') this.#creditWanted.add(content.stream);
      else this.#controls.push(content);
    }
  }

  #armLoss(): void {
    if (this.#sent.isEmpty || this.#isClosed) this.#lossAlarm.clear();
    else this.#lossAlarm.set(this.#sent.timeout(this.#pace.duration(this.#sent.bytes)));
  }

  #expire(): void {
    const packet = this.#sent.expire();
    if (!packet) return;
    this.#repeat(packet.content);
    // A probe goes out even when the window is full, and even when there is nothing left to repeat.
    this.#probes = 1;
    if (packet.content.every((content) => content.type === 'ping')) this.ping();
    this.#armLoss();
    this.#pump();
  }

  #pump(): void {
    while (!this.#isClosed && this.#options.isWritable()) {
      const { delay } = this.#pace;
      if (delay > 0) {
        if (this.#hasWork()) this.#paceAlarm.setNoLater(delay);
        return;
      }
      if (!this.#sendPacket()) return;
    }
  }

  #hasWork(): boolean {
    if (this.#ackNow || this.#controls.length > 0 || this.#creditWanted.size > 0) return true;
    for (const stream of this.#streams.values()) if (stream.sending.hasPending) return true;
    return false;
  }

  /** False when there is nothing to send now. */
  #sendPacket(): boolean {
    const isTyping = this.now() - this.#typedAt < TYPING_MS;
    const contents: Content[] = [];
    const chunks: Chunk[] = [];
    let room = this.#pace.packetSize(isTyping || this.#probes > 0);
    const add = (content: Content, chunk: Chunk, size: number): void => {
      contents.push(content);
      chunks.push(chunk);
      room -= size;
    };
    this.#addControls(add, () => room);
    // A sign of life travels alone: the smaller it is, the likelier it arrives.
    if (!contents.some((content) => content.type === 'ping')) this.#addData(add, () => room);
    if (contents.length === 0 && !this.#ackNow) return false;
    const ack = this.#takeAck();
    const number = this.#sent.number();
    const size = this.#options.send(encodePacket(number, ack ? [ack, ...chunks] : chunks));
    this.#pace.sent(size);
    if (contents.length > 0) {
      this.#probes = 0;
      this.#lastSentAt = this.now();
      this.#sent.add(number, size, contents);
      if (!this.#lossAlarm.isSet) this.#armLoss();
    }
    return true;
  }

  #takeAck(): Chunk | undefined {
    this.#ackNow = false;
    this.#ackAlarm.clear();
    if (this.#unacked === 0) return undefined;
    this.#unacked = 0;
    return { type: 'ack', ranges: [...this.#received.ranges] };
  }

  #addControls(add: (content: Content, chunk: Chunk, size: number) => void, room: () => number): void {
    if (this.#sent.bytes >= this.#pace.window + URGENT_BYTES && this.#probes === 0) return;
    for (const stream of this.#creditWanted) {
      const limit = stream.receiving.position + CREDIT;
      const chunk: Chunk = { type: 'credit', stream: stream.id, limit };
      const size = encodedLength(chunk);
      if (size > room()) return;
      stream.receiving.raiseLimit(limit);
      this.#creditWanted.delete(stream);
      add({ type: 'credit', stream }, chunk, size);
    }
    while (this.#controls[0]) {
      const [control] = this.#controls;
      const chunk = controlChunk(control);
      const size = encodedLength(chunk);
      // One chunk always fits, so that a small packet cannot stop everything.
      if (size > room() && room() < 64) return;
      this.#controls.shift();
      if (control.type === 'open' && !this.#streams.has(control.stream.id)) continue;
      add(control, chunk, size);
    }
  }

  /** Data of one priority only: what is urgent must not wait for the end of a packet filled with what is not. */
  #addData(add: (content: Content, chunk: Chunk, size: number) => void, room: () => number): void {
    let level: number | undefined;
    for (;;) {
      const stream = this.#nextStream(level);
      if (!stream) return;
      level = stream.effectivePriority;
      const isUrgent = stream.priority <= URGENT_PRIORITY && level <= URGENT_PRIORITY;
      const window = this.#pace.window + (isUrgent ? URGENT_BYTES : 0);
      if (this.#sent.bytes >= window && this.#probes === 0) return;
      const space = room() - ROOM_FOR_DATA;
      if (space <= 0) return;
      const piece = stream.sending.take(space);
      if (!piece) return;
      if (isUrgent) this.#typedAt = this.now();
      this.#lastStream = stream.id;
      stream.noteSent(piece.data.length);
      const end = piece.offset + piece.data.length;
      add(
        { type: 'data', stream, start: piece.offset, end, fin: piece.fin },
        { type: 'data', stream: stream.id, ...piece },
        piece.data.length + dataOverhead(stream.id, piece.offset),
      );
    }
  }

  /** The stream to send from: lowest priority number first, taking turns among equals. */
  #nextStream(level: number | undefined): LinkStream | undefined {
    let best: LinkStream | undefined;
    let bestLevel = Number.POSITIVE_INFINITY;
    for (const stream of this.#streams.values()) {
      if (!stream.sending.hasPending) continue;
      const own = stream.effectivePriority;
      if (level !== undefined && own !== level) continue;
      const isTurn =
        best !== undefined && own === bestLevel && best.id <= this.#lastStream && stream.id > this.#lastStream;
      if (own < bestLevel || isTurn) {
        best = stream;
        bestLevel = own;
      }
    }
    return best;
  }
}

function controlChunk(control: Control): Chunk {
  switch (control.type) {
    case 'open':
      return {
        type: 'open',
        stream: control.stream.id,
        priority: control.stream.priority,
        service: control.stream.service,
      };
    case 'credit':
      return { type: 'credit', stream: control.stream.id, limit: control.stream.receiving.limit };
    case 'reset':
      return { type: 'reset', stream: control.id, reason: control.reason };
    case 'ping':
      return { type: 'ping' };
  }
}
