import { MalformedError } from './bytes.ts';
import type { Clock } from './clock.ts';
import { CREDIT, type LinkStream, LinkStreamError, type StreamOwner } from './link-stream.ts';
import { type Chunk, type DataChunk, type EncodedPacket, type OpenPacket, openPacket } from './packet.ts';
import { ReceivedPackets } from './received-packets.ts';
import { Sender, URGENT_PRIORITY } from './sender.ts';
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

/** Streams over an unreliable line, for as long as both sides agree on one session. */
export class Session implements StreamOwner {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #sender: Sender;
  readonly #received: ReceivedPackets;
  readonly #streams: StreamTable;
  #isClosed = false;

  constructor(options: SessionOptions) {
    const { clock, bytesPerSecond, role, send, isWritable, onOutcome } = options;
    this.#options = options;
    this.#clock = clock;
    this.#streams = new StreamTable(this, role);
    this.#received = new ReceivedPackets({
      clock,
      isPaced: bytesPerSecond !== undefined,
      onDue: () => this.#sender.due(),
    });
    const parts = { streams: this.#streams, received: this.#received };
    const onFault = (reason: string) => options.onEnd(reason, 'fault');
    this.#sender = new Sender({ clock, bytesPerSecond, ...parts, send, isWritable, onOutcome, onFault });
  }

  /** When something that must be acknowledged was sent last. */
  get lastSentAt(): number {
    return this.#sender.lastSentAt;
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
    this.#sender.control({ type: 'open', stream });
    return stream;
  }

  /** Asks for a sign of life. */
  ping(): void {
    this.#sender.control({ type: 'ping' });
  }

  /** Sends nothing until `resume`: what is on its way can leave the line, and is not taken for lost meanwhile. */
  pause(): void {
    this.#sender.pause();
  }

  /** Goes on, on a line of this rate: see `SessionOptions`. */
  resume(bytesPerSecond: number | undefined): void {
    this.#sender.resume(bytesPerSecond);
  }

  /** Says goodbye without waiting for an answer; also when the other side still speaks in a session that is over. */
  bye(reason: string): void {
    this.#sender.bye(reason);
  }

  /** Sends what there is to send, after the code that runs now (so that small writes share a packet). */
  wake(): void {
    this.#sender.wake();
  }

  /** Ends every stream with an error. */
  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sender.close();
    this.#received.close();
    for (const stream of this.#streams.takeAll())
      stream.linkDown(new LinkStreamError('ELINKDOWN', `the link is down: ${reason}`));
  }

  credit(stream: LinkStream): void {
    const { position, limit } = stream.receiving;
    if (limit - position > CREDIT / 2) return;
    this.#sender.control({ type: 'credit', stream });
  }

  reset(stream: LinkStream, reason: string): void {
    this.done(stream);
    this.#sender.control({ type: 'reset', id: stream.id, reason });
  }

  done(stream: LinkStream): void {
    this.#streams.forget(stream.id);
    this.#sender.forget(stream);
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
        this.#sender.acknowledge(chunk);
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
    this.#sender.control({ type: 'reset', id, reason: `more than ${MAX_STREAMS} streams at once` });
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
    if (stream.priority <= URGENT_PRIORITY) this.#sender.noteTyping();
    const wrong = stream.receive(offset, data, fin);
    if (wrong !== undefined) stream.destroy(new LinkStreamError('EPROTO', `the other side sent ${wrong}`));
  }
}
