import { Alarm, type Clock } from './clock.ts';
import { LinePace } from './line-pace.ts';
import type { LinkStream } from './link-stream.ts';
import { type Content, type Control, type Filling, Outbox } from './outbox.ts';
import { type AckChunk, type Chunk, type EncodedPacket, encodePacket } from './packet.ts';
import type { ReceivedPackets } from './received-packets.ts';
import { SentLog } from './sent-log.ts';
import type { StreamTable } from './stream-table.ts';

export interface SenderOptions {
  clock: Clock;
  /** Undefined for a line without a rate. */
  bytesPerSecond: number | undefined;
  streams: StreamTable;
  /** What is to be acknowledged. */
  received: ReceivedPackets;
  /** Puts one packet on the line; returns the bytes that it takes there. */
  send(packet: EncodedPacket): number;
  /** Whether the port takes a frame now; `wake()` is called when that changes. */
  isWritable(): boolean;
  /** What became of a packet that was sent. */
  onOutcome(isLost: boolean): void;
  /** The other side broke the rules. */
  onFault(reason: string): void;
}

/** Streams of this priority or a lower number are somebody typing. */
export const URGENT_PRIORITY = 0;
/** Bytes that control chunks and keystrokes may have in flight above the window. */
const URGENT_BYTES = 1024;
const TYPING_MS = 2000;
/** What a chunk of data takes beside the data, at most, among other chunks. */
const DATA_HEADER = 16;
/** See `Shape`: half of what would be certain. */
const SHORT_NUMBERS = 128;
const SHORT_OFFSETS = 16 * 1024;

/** The sending half of a session: what goes into the next packet and when, and what is sent again. */
export class Sender {
  readonly #options: SenderOptions;
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

  constructor(options: SenderOptions) {
    const { clock, bytesPerSecond } = options;
    this.#options = options;
    this.#clock = clock;
    this.#streams = options.streams;
    this.#received = options.received;
    this.#pace = new LinePace(clock, bytesPerSecond);
    this.#sent = new SentLog(clock);
    this.#lastSentAt = clock.now();
    this.#paceAlarm = new Alarm(clock, () => this.#pump());
    this.#lossAlarm = new Alarm(clock, () => this.#expire());
  }

  /** When something that must be acknowledged was sent last. */
  get lastSentAt(): number {
    return this.#lastSentAt;
  }

  /** Somebody types, at either end: packets are short for a while. */
  noteTyping(): void {
    this.#typedAt = this.#clock.now();
  }

  /** Sends this before any data. */
  control(control: Control): void {
    if (this.#isClosed) return;
    if (!this.#outbox.add(control)) this.#options.onFault('the other side asks for more than it takes');
    this.wake();
  }

  /** Something became due: sends it now, if the line allows. */
  due(): void {
    this.#pump();
  }

  /** Nothing that concerns this stream is sent any more. */
  forget(stream: LinkStream): void {
    this.#outbox.forget(stream);
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
    this.control({ type: 'ping' });
    this.#armLoss();
  }

  /** Says goodbye without waiting for an answer; also when the other side still speaks in a session that is over. */
  bye(reason: string): void {
    const shape = { shortNumber: false, shortOffset: false };
    this.#options.send(encodePacket(this.#sent.number(), [{ type: 'bye', reason }], shape));
  }

  close(): void {
    this.#isClosed = true;
    this.#paceAlarm.clear();
    this.#lossAlarm.clear();
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

  /** What the other side says has arrived. */
  acknowledge({ ranges, delay }: AckChunk): void {
    const result = this.#sent.acknowledge(ranges);
    if (!result) {
      this.#options.onFault('the other side acknowledged a packet that was never sent');
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
    if (packet.content.every((content) => content.type === 'ping')) this.control({ type: 'ping' });
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
      isTyping: this.#clock.now() - this.#typedAt < TYPING_MS,
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
      this.#lastSentAt = this.#clock.now();
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
      if (isUrgent) this.#typedAt = this.#clock.now();
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
