import { UnknownDeviceError } from '../device/errors.ts';
import { sanitizeText } from '../shared/text/sanitize.ts';
import { TransportError } from '../transport/transport.ts';
import { ExitError, exitCodes } from './exit-codes.ts';

/** Prints an error for people and gives its exit code. */
export function reportError(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  if (message !== '') process.stderr.write(`gantry: ${sanitizeText(message, { color: false })}\n`);
  if (process.env.GANTRY_DEBUG && error instanceof Error) console.error(error);
  if (error instanceof ExitError) return error.exitCode;
  if (error instanceof UnknownDeviceError) return exitCodes.usage;
  return error instanceof TransportError ? exitCodes.unreachable : exitCodes.failed;
}
