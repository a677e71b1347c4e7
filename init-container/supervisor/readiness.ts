import { DatagramSocket } from '../native/datagram.ts';
import type { ProbeOutcome } from './probe.ts';

/** What a program says of itself on `$NOTIFY_SOCKET`: lines `NAME=value`. Source: sd_notify(3). */
export class Readiness {
  #ready = false;
  #status = '';
  #socket: DatagramSocket | undefined;
  #onReady: () => void;

  constructor(onReady: () => void) {
    this.#onReady = onReady;
  }

  /** For the engine: takes one message. */
  readonly hear = (message: Buffer): void => {
    for (const line of message.toString('utf8').split('\n')) {
      if (line.startsWith('STATUS=')) this.#status = line.slice('STATUS='.length);
      if (line === 'READY=1' && !this.#ready) {
        this.#ready = true;
        this.#onReady();
      }
    }
  };

  /** From now on somebody else wants to know. */
  tellInstead(onReady: () => void): void {
    this.#onReady = onReady;
  }

  /** The socket of a container that was just started. */
  listen(socket: DatagramSocket | undefined): void {
    this.#socket = socket;
  }

  /** Goes on listening after a restart of this process; conmon, which holds the socket, kept what came meanwhile. */
  async listenAgain(conmonPid: number, path: string): Promise<void> {
    this.#socket = await DatagramSocket.takeFrom(conmonPid, path, this.hear);
    if (!this.#socket) throw new Error('its conmon does not hold the socket on which it says that it is ready');
    this.#socket.drain();
  }

  /** In the words of a probe. */
  outcome(): ProbeOutcome {
    const status = this.#status === '' ? '' : `; it says: ${this.#status}`;
    if (this.#ready) return { exitCode: 0, output: `it has said that it is ready${status}` };
    return { exitCode: 1, output: `it has not said READY=1 yet${status}` };
  }

  /** It was ready when this process's predecessor last looked. */
  assumeReady(): void {
    this.#ready = true;
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
