import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Device } from '../device/device.ts';
import { connect } from './connector.ts';
import { deviceOptions, sshOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { waitingNotes } from './waiting-notes.ts';

export interface CommandContext {
  device: Device;
  color: boolean;
  /** Aborts when the person presses Ctrl-C, or the process is told to end. */
  signal: AbortSignal;
}

/** A connection that is being closed may not keep a person waiting. */
const closeTimeoutMs = 2_000;

/**
 * Connects to the device that the command line names, runs `use`, and closes the connection in every case: on a serial
 * line that is what gives the console back. Ctrl-C aborts `signal` and ends with exit code 130; a second one ends at once.
 */
export async function withDevice(command: Command, use: (context: CommandContext) => Promise<void>): Promise<void> {
  const options = deviceOptions(command);
  const interrupted = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const onSignal = () => {
    if (interrupted.signal.aborted) process.exit(exitCodes.interrupted);
    interrupted.abort();
  };
  for (const signal of signals) process.on(signal, onSignal);
  const abort = new Promise<never>((_, reject) => {
    interrupted.signal.addEventListener('abort', () => reject(new ExitError(exitCodes.interrupted)));
  });
  abort.catch(() => undefined);
  let device: Device | undefined;
  try {
    const { onWaiting, done } = waitingNotes();
    try {
      device = await connect(options.device, { ssh: sshOptions(options), signal: interrupted.signal, onWaiting });
    } finally {
      done();
    }
    await Promise.race([use({ device, color: options.color, signal: interrupted.signal }), abort]);
  } catch (error) {
    throw interrupted.signal.aborted ? new ExitError(exitCodes.interrupted) : error;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
    await Promise.race([device?.close(), sleep(closeTimeoutMs, undefined, { ref: false })]);
  }
}
