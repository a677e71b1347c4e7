import type { IncomingMessage } from 'node:http';

/** So much waits here at most before the sender has to. In bytes. */
const mostWaiting = 64 << 10;

/**
 * The body of a request in the pieces it came in, listened to from now on. Unlike the request's own iterator it gives all
 * that came before the connection broke, and rejects only then.
 */
export function received(request: IncomingMessage): AsyncIterable<Buffer> {
  const waiting: Buffer[] = [];
  let bytes = 0;
  let end: { error?: Error } | undefined;
  let wake: () => void = () => undefined;
  const endWith = (result: { error?: Error }) => {
    end ??= result;
    wake();
  };
  request.on('data', (chunk: Buffer) => {
    waiting.push(chunk);
    bytes += chunk.length;
    if (bytes >= mostWaiting) request.pause();
    wake();
  });
  request.once('end', () => endWith({}));
  request.on('error', (error) => endWith({ error }));
  // One that is destroyed without a reason says only that it is closed.
  request.once('close', () => endWith({ error: new Error('the connection was closed') }));
  return pieces();

  async function* pieces() {
    for (;;) {
      const chunk = waiting.shift();
      if (chunk) {
        bytes -= chunk.length;
        if (bytes < mostWaiting) request.resume();
        yield chunk;
        continue;
      }
      if (end?.error) throw end.error;
      if (end) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}
