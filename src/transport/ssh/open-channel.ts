import { once } from 'node:events';
import type { ClientChannel } from 'ssh2';
import { TransportError } from '../transport.ts';
import type { ChannelStream } from './channel-stream.ts';

const channelTimeoutMs = 10_000;

/** Resolves when something answers a ping on this stream, the output of `command`; then ends it. */
export async function answers(stream: ChannelStream, command: string): Promise<void> {
  stream.write('HEAD /_ping HTTP/1.1\r\nHost: gantry\r\nConnection: close\r\n\r\n');
  try {
    const signal = AbortSignal.timeout(channelTimeoutMs);
    await Promise.race([
      once(stream, 'data', { signal }),
      once(stream, 'end', { signal }).then(() => {
        throw new Error(`"${command}" there ended without an answer`);
      }),
    ]);
  } finally {
    stream.on('error', () => undefined);
    stream.destroy();
  }
}

/** Opens a channel; ssh2 throws at once when the connection is gone, and says nothing if the device never answers. */
export function openChannel(
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
