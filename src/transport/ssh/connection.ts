import { connect as connectTcp, type Socket } from 'node:net';
import type { Client, ServerHostKeyAlgorithm } from 'ssh2';
import { TransportError } from '../transport.ts';
import { type Credentials, gatherCredentials } from './auth.ts';
import { resolveSsh, type SshOptions, type SshSettings, type SshTarget } from './config.ts';
import { Deadline } from './deadline.ts';
import { explainLogin, explainTcp } from './explain.ts';
import { HostKeyCheck } from './host-key.ts';
import { readKnownHosts } from './known-hosts.ts';

/** A device that answers none of three keep-alive messages is gone. */
const keepaliveIntervalMs = 5_000;
const keepaliveCountMax = 3;

export interface SshConnection {
  client: Client;
  socket: Socket;
}

/**
 * Connects, checks the device's key and logs in, within one time limit. Rejects with a `TransportError` that says what to
 * do next; nothing is left open then.
 */
export async function connectSsh(target: SshTarget, options: SshOptions): Promise<SshConnection> {
  const settings = await resolveSsh(target, options);
  const { default: ssh2 } = await import('ssh2');
  const credentials = await gatherCredentials(ssh2, settings);
  const check = new HostKeyCheck(settings, options, await readKnownHosts(settings.knownHostsFiles));
  const deadline = new Deadline(settings.connectTimeoutMs);
  try {
    const socket = await connectWithin(settings, deadline);
    const client = new ssh2.Client();
    try {
      await logIn(client, socket, { settings, credentials, check, deadline });
    } catch (error) {
      client.on('error', () => undefined);
      client.destroy();
      socket.destroy();
      throw error;
    }
    return { client, socket };
  } finally {
    deadline.stop();
  }
}

function connectWithin(settings: SshSettings, deadline: Deadline): Promise<Socket> {
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

function logIn(
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
