import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { devicePaths, machinePaths } from '../shared/device-paths.ts';
import { ChannelStream } from './ssh/channel-stream.ts';
import type { SshOptions, SshTarget } from './ssh/config.ts';
import { connectSsh, type SshConnection } from './ssh/connection.ts';
import { answers, openChannel } from './ssh/open-channel.ts';
import { type Transport, TransportError } from './transport.ts';

export type { HostKeyQuestion, SshOptions, SshTarget } from './ssh/config.ts';

const relayCommand = 'docker system dial-stdio';

/** Where an API may listen there: that of Gantry on top of a distribution goes before a Docker engine beside it. */
const usualSockets = [machinePaths.apiSocket, devicePaths.apiSocket];

/** Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254, 5.1) that say "never this way" rather than "not now". */
const prohibited = 1;
const unknownChannelType = 3;

/** One SSH connection to a device, made at the first `open()` and again after it was lost; a channel per stream. */
export class SshTransport implements Transport {
  readonly kind = 'ssh';
  readonly #target: SshTarget;
  readonly #options: SshOptions;
  readonly #listeners = new Set<(reason: string) => void>();
  readonly #streams = new Set<ChannelStream>();
  #connection: Promise<SshConnection> | undefined;
  #closed = false;
  #useRelay = false;
  /** Those to try; once one has answered, only that one, so that a restart of it does not lead to another's. */
  #apiSockets: string[];

  constructor(target: SshTarget, options: SshOptions = {}) {
    this.#target = target;
    this.#options = options;
    this.#apiSockets = options.apiSockets ?? usualSockets;
  }

  get description(): string {
    const { user, host, port } = this.#target;
    return `ssh ${user ? `${user}@` : ''}${host}${port && port !== 22 ? `:${port}` : ''}`;
  }

  async open(): Promise<Duplex> {
    if (this.#closed) throw new TransportError(`${this.description} was closed`, { retry: false });
    this.#connection ??= this.#connect().catch((error: unknown) => {
      this.#connection = undefined;
      throw error;
    });
    const { client } = await this.#connection;
    const stream = await this.#openStream(client);
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
    return stream;
  }

  onLost(listener: (reason: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connection = this.#connection;
    this.#connection = undefined;
    for (const stream of this.#streams) stream.destroy();
    const made = await connection?.catch(() => undefined);
    made?.client.end();
    made?.socket.destroySoon();
  }

  async #openStream(client: Client): Promise<ChannelStream> {
    if (this.#useRelay) return this.#openRelay(client);
    try {
      return await this.#openSocket(client);
    } catch (refused) {
      if (refused instanceof TransportError) throw refused;
      // Forwarding switched off, an older dropbear, a forced command: the way the docker CLI takes may still be open.
      // OpenSSH gives the same reason when it may not forward and when nothing listens, so the relay must show itself.
      try {
        await answers(await this.#openRelay(client), relayCommand);
      } catch (error) {
        throw this.#explain(refused as Error, error as Error);
      }
      this.#useRelay = true;
      return this.#openRelay(client);
    }
  }

  /** Rejects with what was said of the last of the sockets. */
  async #openSocket(client: Client): Promise<ChannelStream> {
    let refused: unknown;
    for (const path of this.#apiSockets) {
      try {
        const opened = await openChannel((done) => client.openssh_forwardOutStreamLocal(path, done));
        this.#apiSockets = [path];
        return new ChannelStream(opened);
      } catch (error) {
        if (error instanceof TransportError) throw error;
        refused = error;
      }
    }
    throw refused;
  }

  async #openRelay(client: Client): Promise<ChannelStream> {
    return new ChannelStream(await openChannel((done) => client.exec(relayCommand, done)), relayCommand);
  }

  #explain(refused: Error & { reason?: unknown }, relay: Error): TransportError {
    const never =
      (refused.reason === prohibited || refused.reason === unknownChannelType) &&
      relay instanceof TransportError &&
      !relay.retry;
    const why = refused.message.replace('(SSH) Channel open failure: ', '') || 'no forwarding of sockets';
    const next = never
      ? 'Allow stream-local forwarding in its sshd, or put the docker relay in its PATH'
      : 'The init container may be restarting; if this stays so, does its sshd allow stream-local forwarding?';
    return new TransportError(
      `${this.description} answers, but its API socket ${this.#apiSockets.at(-1)} does not (${why}; ${relay.message}). ${next}`,
      { retry: !never, cause: refused },
    );
  }

  async #connect(): Promise<SshConnection> {
    const connection = await connectSsh(this.#target, this.#options);
    this.#watch(connection.client);
    if (this.#closed) {
      connection.client.end();
      throw new TransportError(`${this.description} was closed`, { retry: false });
    }
    return connection;
  }

  #watch(client: Client): void {
    let cause = 'the connection was closed';
    client.on('error', (error) => {
      cause = error.level === 'client-timeout' ? 'no answer to keep-alive messages' : error.message;
    });
    let over = false;
    const lost = () => {
      if (over || this.#closed) return;
      over = true;
      this.#connection = undefined;
      const reason = `${this.description}: ${cause}`;
      for (const stream of this.#streams) stream.destroy(new TransportError(reason, { retry: true }));
      for (const listener of this.#listeners) listener(reason);
    };
    client.once('end', lost);
    client.once('close', lost);
  }
}
