/** What the exit codes of `gantry` mean. `exec` and `sh` end with the exit code of the process they ran. */
export const exitCodes = {
  ok: 0,
  /** The device, or this machine, refused or could not do it; the message says why. */
  failed: 1,
  /** An unknown command, option or device name: nothing was tried. */
  usage: 2,
  /** The device cannot be reached, or the connection to it broke and stayed broken. */
  unreachable: 3,
  /** A swap or a rollback did not come up healthy; the device runs what it ran before. */
  rolledBack: 4,
  /** Ended by Ctrl-C, as shells count it. */
  interrupted: 130,
} as const;

/** An error that decides the exit code by itself. An empty message prints nothing: everything was said. */
export class ExitError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message = '') {
    super(message);
    this.name = 'ExitError';
    this.exitCode = exitCode;
  }
}
