import { CREDIT, type LinkStream } from './link-stream.ts';
import { type Chunk, encodedLength } from './packet.ts';

/** What a packet carries, and what must be done again when it is lost. */
export type Content =
  | { type: 'data'; stream: LinkStream; start: number; end: number; fin: boolean }
  | { type: 'open' | 'credit'; stream: LinkStream }
  | { type: 'reset'; id: number; reason: string }
  | { type: 'ping' };
export type Control = Exclude<Content, { type: 'data' }>;

/** Opened, reset and pinged but not sent yet, at most: more is a side that does not listen. */
const MAX_CONTROLS = 4096;

/** One packet while it is filled. */
export interface Filling {
  /** Bytes that are left for chunks. */
  readonly room: number;
  add(content: Content, chunk: Chunk, size: number): void;
}

/** Everything small that waits to be sent: what streams begin, end and ask for. */
export class Outbox {
  readonly #controls: Control[] = [];
  readonly #creditWanted = new Set<LinkStream>();

  get isEmpty(): boolean {
    return this.#controls.length === 0 && this.#creditWanted.size === 0;
  }

  /** False when too much waits already. */
  add(control: Control): boolean {
    if (control.type === 'credit') this.#creditWanted.add(control.stream);
    else if (control.type !== 'ping' || !this.#controls.some(({ type }) => type === 'ping'))
      this.#controls.push(control);
    return this.#controls.length <= MAX_CONTROLS;
  }

  /** The stream is over: it asks for nothing more. */
  forget(stream: LinkStream): void {
    this.#creditWanted.delete(stream);
  }

  /** Puts as much into the packet as fits; `isOpen` tells which streams still exist. */
  fill(packet: Filling, isOpen: (stream: LinkStream) => boolean): void {
    for (const stream of this.#creditWanted) {
      const limit = stream.receiving.position + CREDIT;
      const chunk: Chunk = { type: 'credit', stream: stream.id, limit };
      const size = encodedLength(chunk);
      if (size > packet.room) return;
      stream.receiving.raiseLimit(limit);
      this.#creditWanted.delete(stream);
      packet.add({ type: 'credit', stream }, chunk, size);
    }
    while (this.#controls[0]) {
      const [control] = this.#controls;
      const chunk = controlChunk(control);
      const size = encodedLength(chunk);
      // One chunk always fits, so that a small packet cannot stop everything.
      if (size > packet.room && packet.room < 64) return;
      this.#controls.shift();
      if (control.type === 'open' && !isOpen(control.stream)) continue;
      packet.add(control, chunk, size);
    }
  }
}

function controlChunk(control: Control): Chunk {
  switch (control.type) {
    case 'open': {
      const { id, priority, service } = control.stream;
      return { type: 'open', stream: id, priority, service };
    }
    case 'credit':
      return { type: 'credit', stream: control.stream.id, limit: control.stream.receiving.limit };
    case 'reset':
      return { type: 'reset', stream: control.id, reason: control.reason };
    case 'ping':
      return { type: 'ping' };
  }
}
