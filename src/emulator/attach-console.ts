import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

/** The key that ends `gantry run`: Ctrl-], as telnet has it. */
const quitByte = 0x1d;

/** Opens the host's end of a serial line. Only one program can: while another has it, this one waits. */
export async function openSerial(path: string): Promise<Socket> {
  const socket = createConnection(path);
  await once(socket, 'connect');
  return socket;
}

/**
 * Joins a terminal and a serial line, raw, until the line closes, Ctrl-] is typed, or `signal` is aborted. The terminal
 * is as before afterwards. Input that is no terminal may end earlier without ending this.
 */
export async function attachConsole(
  line: Socket,
  terminal: { input: NodeJS.ReadStream; output: NodeJS.WritableStream },
  signal: AbortSignal,
): Promise<void> {
  const { input, output } = terminal;
  const wasRaw = input.isTTY ? input.isRaw : undefined;
  if (wasRaw !== undefined) input.setRawMode(true);
  line.pipe(output, { end: false });
  const { promise: quit, resolve } = Promise.withResolvers<void>();
  const onInput = (chunk: Buffer) => {
    const end = chunk.indexOf(quitByte);
    if (end !== 0) line.write(end === -1 ? chunk : chunk.subarray(0, end));
    if (end !== -1) resolve();
  };
  const closed = once(line, 'close');
  signal.addEventListener('abort', () => resolve(), { once: true });
  if (signal.aborted) resolve();
  input.on('data', onInput);
  try {
    await Promise.race([quit, closed]);
  } finally {
    input.removeListener('data', onInput);
    input.pause();
    if (wasRaw !== undefined) input.setRawMode(wasRaw);
    line.unpipe(output);
    line.destroy();
  }
}
