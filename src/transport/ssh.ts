import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client, ClientChannel, ServerHostKeyAlgorithm } from 'ssh2';
import { devicePaths, machinePaths } from '../shared/device-paths.ts';
import { type Credentials, gatherCredentials } from './ssh/auth.ts';
import { ChannelStream } from './ssh/channel-stream.ts';
import { resolveSsh, type SshOptions, type SshSettings, type SshTarget } from './ssh/config.ts';
import { Deadline } from './ssh/deadline.ts';
import { explainLogin, explainTcp } from './ssh/explain.ts';
import { HostKeyCheck } from './ssh/host-key.ts';
import { readKnownHosts } from './ssh/known-hosts.ts';
import { type Transport, TransportError } from './transport.ts';

export type { HostKeyQuestion, SshOptions, SshTarget } from './ssh/config.ts';

const relayCommand = 'docker system dial-stdio';
/** A device that answers none of three keep-alive messages is gone. */
const keepaliveIntervalMs = 5_000;
const keepaliveCountMax = 3;
const channelTimeoutMs = 10_000;

/** Where an API may listen there: that of Gantry on top of a distribution goes before a Docker engine beside it. */
const usualSockets = [machinePaths.apiSocket, devicePaths.apiSocket];

/** Reasons of SSH_MSG_CHANNEL_OPEN_FAILURE (RFC 4254, 5.1) that say "never this way" rather than "not now". */
const prohibited = 1;
const unknownChannelType = 3;

interface Connection {
  client: Client;
  socket: Socket;
}

/** One SSH connection to a device, made at the first `open()` and again after it was lost; a channel per stream. */
export class SshTransport implements Transport {
  readonly kind = 'ssh';
  readonly #target: SshTarget;
  readonly #options: SshOptions;
  readonly #listeners = new Set<(reason: string) => void>();
  readonly #streams = new Set<ChannelStream>();
  #connection: Promise<Connection> | undefined;
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
        await answers(await this.#openRelay(client));
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
        const opened = await channel((done) => client.openssh_forwardOutStreamLocal(path, done));
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
    return new ChannelStream(await channel((done) => client.exec(relayCommand, done)), relayCommand);
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

  async #connect(): Promise<Connection> {
    const settings = await resolveSsh(this.#target, this.#options);
    const { default: ssh2 } = await import('ssh2');
    const credentials = await gatherCredentials(ssh2, settings);
    const check = new HostKeyCheck(settings, this.#options, await readKnownHosts(settings.knownHostsFiles));
    const deadline = new Deadline(settings.connectTimeoutMs);
    const socket = await this.#connectTcp(settings, deadline);
    const client = new ssh2.Client();
    try {
      await this.#logIn(client, socket, { settings, credentials, check, deadline });
    } catch (error) {
      client.on('error', () => undefined);
      client.destroy();
      socket.destroy();
      throw error;
    } finally {
      deadline.stop();
    }
    this.#watch(client);
    if (this.#closed) {
      client.end();
      throw new TransportError(`${this.description} was closed`, { retry: false });
    }
    return { client, socket };
  }

  #connectTcp(settings: SshSettings, deadline: Deadline): Promise<Socket> {
    const { host, port } = settings;
    return new Promise((resolve, reject) => {
      const socket = connectTcp({ host, port, noDelay: true });
      const fail = (error: Error) => {
        socket.destroy();
        reject(error instanceof TransportError ? error : explainTcp(error, host, port));
      };
      deadline.onExpiry = () =>
        fail(
          new TransportError(
            `${host}:${port} does not answer within ${deadline.seconds} s: is the device on, and is this its address?`,
            { retry: true },
          ),
        );
      socket.once('error', fail);
      socket.once('connect', () => {
        socket.off('error', fail);
        resolve(socket);
      });
    });
  }

  #logIn(
    client: Client,
    sock: Socket,
    known: { settings: SshSettings; credentials: Credentials; check: HostKeyCheck; deadline: Deadline },
  ): Promise<void> {
    const { settings, credentials, check, deadline } = known;
    return new Promise((resolve, reject) => {
      // What the check says is the cause; ssh2 then only knows that the handshake failed.
      let refusal: unknown;
      deadline.onExpiry = () =>
        reject(
          new TransportError(
            `${settings.host}:${settings.port} took the connection but did not finish the SSH handshake within ` +
              `${deadline.seconds} s: is it an SSH server, or is the device overloaded?`,
            { retry: true },
          ),
        );
      client.once('ready', () => resolve());
      client.once('error', (error) => reject(refusal ?? explainLogin(error, settings, credentials)));
      client.once('close', () =>
        reject(
          refusal ??
            new TransportError(`${settings.host}:${settings.port} closed the connection during the SSH handshake`, {
              retry: true,
            }),
        ),
      );
      client.connect({
        sock,
        username: settings.user,
        authHandler: credentials.methods,
        algorithms: { serverHostKey: check.serverHostKey as ServerHostKeyAlgorithm[] },
        hostVerifier: (key: Buffer, done: (accepted: boolean) => void) => {
          deadline.pause();
          check.verify(key).then(
            () => {
              deadline.resume();
              done(true);
            },
            (error: unknown) => {
              refusal = error;
              done(false);
              reject(error);
            },
          );
        },
        readyTimeout: 0,
        keepaliveInterval: keepaliveIntervalMs,
        keepaliveCountMax,
      });
    });
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

/** Resolves when something answers a ping on this stream; then ends it. */
async function answers(stream: ChannelStream): Promise<void> {
  stream.write('HEAD /_ping HTTP/1.1\r\nHost: gantry\r\nConnection: close\r\n\r\n');
  try {
    const signal = AbortSignal.timeout(channelTimeoutMs);
    await Promise.race([
      once(stream, 'data', { signal }),
      once(stream, 'end', { signal }).then(() => {
        throw new Error(`"${relayCommand}" there ended without an answer`);
      }),
    ]);
  } finally {
    stream.on('error', () => undefined);
    stream.destroy();
  }
}

/** Opens a channel; ssh2 throws at once when the connection is gone, and says nothing if the device never answers. */
function channel(
  open: (done: (error: Error | undefined, made: ClientChannel) => void) => unknown,
): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      reject(new TransportError('the device did not open a channel in time', { retry: true }));
    }, channelTimeoutMs);
    try {
      open((error, made) => {
        clearTimeout(deadline);
        if (error) reject(error);
        else if (late) made.close();
        else resolve(made);
      });
    } catch (cause) {
      clearTimeout(deadline);
      reject(new TransportError('the SSH connection was lost', { retry: true, cause }));
    }
  });
}
