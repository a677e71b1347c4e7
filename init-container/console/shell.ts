import type { Duplex } from 'node:stream';
import type { TerminalSize } from '../../src/shared/link/console-protocol.ts';

/** A shell on a pseudo-terminal. Destroying the stream hangs up. */
export interface ShellSession {
  stream: Duplex;
  resize(columns: number, rows: number): Promise<void>;
  /** Exit code. */
  exited: Promise<number>;
}

export type OpenShell = (size: TerminalSize) => Promise<ShellSession>;
