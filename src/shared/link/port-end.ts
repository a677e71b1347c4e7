import type { Duplex } from 'node:stream';
import type { Clock } from './clock.ts';

/** How long the end of a port may take, in each of its steps. */
const END_MS = 500;

/** Resolves with `event`, or after `ms` milliseconds. */
export async function atMost(clock: Clock, ms: number, event: Promise<void>): Promise<void> {
  let cancel = (): void => undefined;
  const deadline = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve);
  });
  await Promise.race([event, deadline]);
  cancel();
}

/** Puts out what was written, as far as that is quick, and closes the port. */
export async function closePort(port: Duplex, clock: Clock): Promise<void> {
  await atMost(clock, END_MS, new Promise<void>((resolve) => port.end(resolve)));
  // Only once the port is really closed can it be opened again.
  const closed = new Promise<void>((resolve) => port.once('close', resolve));
  port.destroy();
  await atMost(clock, END_MS, closed);
}
