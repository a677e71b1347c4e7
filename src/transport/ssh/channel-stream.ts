import { Duplex } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import { TransportError } from '../transport.ts';

const longestComplaint = 2000;

/**
 * An ssh2 channel as an ordinary Duplex. ssh2's own streams do not end with an error when the connection breaks, and
 * they keep a writer waiting for ever once they are closed; Node's http needs both to be right.
 */
export class ChannelStream extends Duplex {
  readonly #channel: ClientChannel;
  #received = false;
  #ended = false;
  #closed = false;
  #complaint = '';

  /** `command`: what runs in a channel of type exec. If it fails without a byte of output, the stream's error says so. */
  constructor(channel: ClientChannel, command?: string) {
    super({ allowHalfOpen: true });
    this.#channel = channel;
    channel.on('data', (chunk: Buffer) => {
      this.#received = true;
      if (!this.push(chunk)) channel.pause();
    });
    channel.on('end', () => {
      // A failed command says `end` first and its exit status later.
      if (command === undefined || this.#received) this.#endReading();
    });
    channel.on('close', () => this.#onClose());
    channel.on('error', (error: Error) =>
      this.destroy(new TransportError(`the stream broke: ${error.message}`, { retry: true, cause: error })),
    );
    channel.stderr.on('data', (chunk: Buffer) => {
      if (this.#complaint.length < longestComplaint) this.#complaint += chunk.toString('utf8');
    });
    if (command !== undefined) {
      channel.on('exit', (code: number | null) => {
        if (!this.#received && code !== 0) this.destroy(this.#explainExit(command, code));
      });
    }
  }

  override _read(): void {
    this.#channel.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#closed) done(new TransportError('the device has closed this stream', { retry: true }));
    else this.#channel.write(chunk, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#closed) this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#closed) this.#channel.close();
    this.#channel.resume();
    done(error);
  }

  #endReading(): void {
    if (this.#ended || this.destroyed) return;
    this.#ended = true;
    this.push(null);
  }

  /** Both directions are over: what was received may still be read, nothing more can be written. */
  #onClose(): void {
    this.#closed = true;
    if (this.destroyed) return;
    if (this.readableEnded) {
      this.destroy();
      return;
    }
    this.once('end', () => this.destroy());
    this.#endReading();
  }

  #explainExit(command: string, code: number | null): TransportError {
    const said = sanitizeLine(this.#complaint.trim().replaceAll('\n', '; '), { color: false });
    return new TransportError(`"${command}" there ended with ${code ?? 'a signal'}${said ? `: ${said}` : ''}`, {
      retry: code !== 127,
    });
  }
}
