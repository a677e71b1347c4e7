import { Duplex } from 'node:stream';
import { ReadStream } from 'node:tty';

/** What a tty's line discipline holds at most (N_TTY_BUF_SIZE). */
const READ_BYTES = 4096;
/** At 115,200 baud 115 bytes: a tenth of a frame. */
const GATHER_MS = 10;

/**
 * The bytes of an open tty. What comes is passed on at once, and what follows on it soon together: a UART wakes its reader for
 * every few bytes, which costs more processor time than what is done with them. `fd` is the stream’s own file
 * descriptor: Node opens a tty once more for itself where it can.
 */
export function gatheredTty(fd: number): { stream: Duplex; fd: number } {
  let isWanted = false;
  let gathering: NodeJS.Timeout | undefined;
  const passOn = (length: number, buffer: Uint8Array): boolean => {
    isWanted = stream.push(Buffer.from(buffer.subarray(0, length)));
    // A line that is faster than that must not wait.
    if (isWanted && length > READ_BYTES / 2) return true;
    gathering = setTimeout(() => {
      gathering = undefined;
      if (isWanted) terminal.resume();
    }, GATHER_MS);
    return false;
  };
  const terminal = new ReadStream(fd, { onread: { buffer: Buffer.alloc(READ_BYTES), callback: passOn } });
  const stream = new Duplex({
    read: () => {
      isWanted = true;
      if (gathering === undefined) terminal.resume();
    },
    write: (chunk: Buffer, _encoding, callback) => {
      if (terminal.destroyed) callback(new Error('the console was closed'));
      else terminal.write(chunk, callback);
    },
    destroy: (error, callback) => {
      clearTimeout(gathering);
      terminal.destroy();
      callback(error);
    },
  });
  // A tty that hangs up reads as its end, or as an error, depending on when it is noticed.
  terminal.on('end', () => stream.destroy(new Error('the tty hung up')));
  terminal.on('error', (error) => stream.destroy(error));
  terminal.on('close', () => stream.destroy());
  return { stream, fd: ownFd(terminal) ?? fd };
}

function ownFd(terminal: ReadStream): number | undefined {
  const handle: unknown = Reflect.get(terminal, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' ? fd : undefined;
}
