import type { TakeOptions } from './serial/take-line.ts';
import { serialTarget } from './serial/target.ts';
import type { SshOptions } from './ssh/config.ts';
import type { Transport } from './transport.ts';

export type { HostKeyQuestion, SshOptions } from './ssh/config.ts';

/**
 * Where a device is, with nothing left to look up. `serial.path` is a tty or a unix socket: an emulator's line, of which
 * `emulated` tells what the socket does not.
 */
export type Endpoint =
  | { kind: 'ssh'; host: string; port?: number; user?: string; ssh?: SshOptions }
  | {
      kind: 'serial';
      path: string;
      baud?: number;
      fast?: number;
      flow?: 'none' | 'rtscts' | 'xonxoff';
      emulated?: TakeOptions;
    }
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
      return new SerialTransport(serialTarget(endpoint), endpoint.emulated);
    }
    case 'unix': {
      const { UnixTransport } = await import('./unix.ts');
      return new UnixTransport(endpoint.path);
    }
  }
}
