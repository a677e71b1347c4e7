import { TransportError } from '../transport.ts';
import type { Credentials } from './auth.ts';
import type { SshSettings } from './config.ts';

/** Why there is no TCP connection, in words, and whether waiting helps. */
export function explainTcp(error: NodeJS.ErrnoException, host: string, port: number): TransportError {
  const cause = error;
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new TransportError(`there is no host called ${host}: check the name, or use the device's address`, {
        retry: error.code === 'EAI_AGAIN',
        cause,
      });
    case 'ECONNREFUSED':
      return new TransportError(`${host}:${port} refuses connections: does sshd run there, on this port?`, {
        retry: true,
        cause,
      });
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new TransportError(`there is no way to ${host}:${port}: is the device on this network?`, {
        retry: true,
        cause,
      });
    default:
      return new TransportError(`cannot connect to ${host}:${port}: ${error.message}`, { retry: true, cause });
  }
}

/** Why the SSH connection could not be made on top of it. */
export function explainLogin(
  error: Error & { level?: string },
  settings: SshSettings,
  credentials: Credentials,
): Error {
  const where = `${settings.user}@${settings.host}`;
  if (error.level === 'client-authentication' || /too many authentication/i.test(error.message)) {
    const others = credentials.unusable.length > 0 ? ` (not offered: ${credentials.unusable.join('; ')})` : '';
    return new TransportError(
      `${where} refused every key: ${credentials.offered.join(', ')}${others}. Put a public key on the device, or ` +
        'name the right one with IdentityFile in ~/.ssh/config',
      { retry: false, cause: error },
    );
  }
  // A line that broke in the handshake may hold the next time; two ends that have no cipher in common will not.
  const broke =
    error.level === 'client-socket' || error.level === 'client-timeout' || /lost|closed|reset/i.test(error.message);
  return new TransportError(`${where}: the SSH handshake failed: ${error.message}`, {
    retry: broke,
    cause: error,
  });
}
