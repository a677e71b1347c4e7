import { crc32 } from 'node:zlib';
import { MalformedError } from './bytes.ts';
import type { Clock } from './clock.ts';
import { sessionSeed } from './frame.ts';
import type { OpenPacket } from './packet.ts';
import type { Session } from './session.ts';

/** How often one side tells the other that its session is over. */
const BYE_MS = 1000;

/** This side's end of one session, also when it is over here but not yet on the other side. */
export class SessionEnd {
  readonly session: Session;
  readonly #role: 'host' | 'device';
  readonly #peerSeed: number;
  readonly #clock: Clock;
  #byeAt = Number.NEGATIVE_INFINITY;
  #onGoodbye: (() => void) | undefined;

  constructor(session: Session, id: number, role: 'host' | 'device', clock: Clock) {
    this.session = session;
    this.#role = role;
    this.#peerSeed = sessionSeed(id, role === 'host' ? 'device' : 'host');
    this.#clock = clock;
  }

  /** The packet in `body` when it belongs to this session and is undamaged. */
  verify(body: Buffer, check: number): OpenPacket | undefined {
    const packet = this.session.read(body);
    return packet && crc32(body, (this.#peerSeed ^ packet.salt) >>> 0) === check ? packet : undefined;
  }

  /** Resolves when the other side has confirmed a goodbye. */
  untilGoodbye(): Promise<void> {
    return new Promise((resolve) => {
      this.#onGoodbye = resolve;
    });
  }

  /** A packet that came after the end: the other side should know, or has just confirmed it. */
  receiveLate(packet: OpenPacket): void {
    const isBye = isGoodbye(packet);
    if (isBye) this.#onGoodbye?.();
    if (isBye || this.#onGoodbye || this.#clock.now() - this.#byeAt < BYE_MS) return;
    this.#byeAt = this.#clock.now();
    this.session.bye(`the ${this.#role} ended the session`);
  }
}

function isGoodbye(packet: OpenPacket): boolean {
  try {
    return packet.chunks().some((chunk) => chunk.type === 'bye');
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw error;
  }
}
