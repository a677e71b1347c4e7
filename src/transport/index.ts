import type { SshOptions } from './ssh/config.ts';
import type { Transport } from './transport.ts';

export type { HostKeyQuestion, SshOptions } from './ssh/config.ts';

/**
 * Where a device is, with nothing left to look up. `serial.path` is a tty or a unix socket (an emulator's line, with
 * the emulator's record of it in `consoleLog`).
 */
export type Endpoint =
  | { kind: 'ssh'; host: string; port?: number; user?: string; ssh?: SshOptions }
  | { kind: 'serial'; path: string; baud?: number; flow?: 'xonxoff'; consoleLog?: string }
  | { kind: 'unix'; path: string };

/** The transport for an endpoint. Each kind's library is loaded only here, when it is needed. Does not connect yet. */
export async function makeTransport(endpoint: Endpoint, ssh: SshOptions = {}): Promise<Transport> {
  switch (endpoint.kind) {
    case 'ssh': {
      const { SshTransport } = await import('./ssh.ts');
      const { host, port, user } = endpoint;
      return new SshTransport({ host, port, user }, { ...ssh, ...endpoint.ssh });
    }
    case 'serial': {
      const { SerialTransport } = await import('./serial.ts');
      return new SerialTransport(serialTarget(endpoint), { consoleLog: endpoint.consoleLog });
    }
    case 'unix': {
      const { UnixTransport } = await import('./unix.ts');
      return new UnixTransport(endpoint.path);
    }
  }
}

/** The text that names a serial line, as `-d` takes it. */
export function serialTarget(endpoint: { path: string; baud?: number; flow?: 'xonxoff' }): string {
  const { path, baud, flow } = endpoint;
  const options = [baud === undefined ? [] : `baud=${baud}`, flow === undefined ? [] : `flow=${flow}`].flat();
  return `serial:${path}${options.length === 0 ? '' : `?${options.join('&')}`}`;
}
