import type { Readable } from 'node:stream';
import type { ConnectionWatch, Session } from '../../device/device.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import { terminalSize } from '../../shared/text/terminal-size.ts';
import { errorText } from '../errors.ts';
import { releaseKeyboard } from './keyboard.ts';
import { resetModes } from './modes.ts';

/** ctrl-]: leaves a shell whose connection is lost. Otherwise it goes to the shell like every key. */
const leaveByte = 0x1d;
const tailBytes = 512;

export interface PassThroughEnd {
  /** Undefined when the session broke. */
  exitCode?: number;
  /** "exit code 0", or why the session broke. */
  reason: string;
  /** The last line that was printed, sanitised. */
  lastLine: string;
}

/**
 * Joins the person's terminal to a session, byte for byte in both directions, until the session ends. The UI must be off
 * the terminal; `size` is what the session was opened with. Afterwards all modes that the session may have set are reset; the keyboard stays raw, for the UI comes back.
 */
export async function passThrough(
  session: Session,
  options: { title: string; size: { columns: number; rows: number }; connection: ConnectionWatch },
): Promise<PassThroughEnd> {
  const { stdin, stdout } = process;
  const tail = new Tail();
  const left = Promise.withResolvers<PassThroughEnd>();
  const broke = (error: unknown) => left.resolve({ reason: errorText(error), lastLine: tail.lastLine() });
  const connected = () => options.connection.current.state === 'connected';

  const onKeys = (data: string | Buffer) => {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
    if (!connected() && bytes.includes(leaveByte)) {
      left.resolve({ reason: 'the connection was lost', lastLine: tail.lastLine() });
    } else if (!session.stdin.write(bytes)) {
      stdin.pause();
      session.stdin.once('drain', () => stdin.resume());
    }
  };
  const onResize = () => {
    const { columns, rows } = terminalSize(stdout);
    void session.resize(columns, rows).catch(broke);
  };
  const stopWatching = options.connection.subscribe((state) => {
    if (state.state === 'connected') stdout.write('\r\n[connected again]\r\n');
    else if ('detail' in state) {
      stdout.write(`\r\n[${sanitizeLine(state.detail, { color: false })}; ctrl-] comes back to the UI]\r\n`);
    }
  });

  stdout.write(`${options.title}; exit or ctrl-d comes back\r\n`);
  // As latin1 every byte is one character: Ink's UTF-8 decoder would spoil what is not UTF-8.
  stdin.setEncoding('latin1');
  stdin.setRawMode(true);
  stdin.ref();
  stdin.on('data', onKeys);
  stdin.resume();
  stdout.on('resize', onResize);
  // The window may have changed while the session was being opened.
  const { columns, rows } = terminalSize(stdout);
  if (columns !== options.size.columns || rows !== options.size.rows) onResize();
  session.stdin.on('error', broke);
  copy(session.stdout, stdout, tail);
  copy(session.stderr, stdout, tail);
  session.stdout.on('error', broke);
  session.stderr.on('error', broke);
  session.exitCode.then(
    (exitCode) => left.resolve({ exitCode, reason: `exit code ${exitCode}`, lastLine: tail.lastLine() }),
    broke,
  );
  try {
    return await left.promise;
  } finally {
    stopWatching();
    stdin.off('data', onKeys);
    stdout.off('resize', onResize);
    session.close();
    stdout.write(resetModes);
    await releaseKeyboard();
  }
}

function copy(from: Readable, to: NodeJS.WriteStream, tail: Tail): void {
  from.on('data', (chunk: Buffer) => {
    tail.add(chunk);
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
}

class Tail {
  private bytes = Buffer.alloc(0);

  add(chunk: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, chunk]).subarray(-tailBytes);
  }

  lastLine(): string {
    const lines = this.bytes.toString('utf8').split('\n');
    return sanitizeLine(lines.findLast((line) => line.trim() !== '') ?? '', { color: false });
  }
}
