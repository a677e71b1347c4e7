import { once } from 'node:events';
import { type Readable, Transform } from 'node:stream';
import type { Session } from '../device/device.ts';
import { LineSplitter } from '../shared/text/line-splitter.ts';
import { terminalSize } from '../shared/text/terminal-size.ts';
import { resetModes } from '../tui/terminal/modes.ts';

export interface TerminalSessionOptions {
  /** The process has a terminal of its own: ours becomes raw, keys go there as they are typed. */
  tty: boolean;
  /** Our standard input goes to the process. */
  interactive: boolean;
}

/**
 * Joins this terminal, or these pipes, to a session until its process ends. Resolves to its exit code. However it ends,
 * the terminal is as it was before; if the session broke, modes that the program had set are reset too.
 */
export async function runSession(session: Session, options: TerminalSessionOptions): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const raw = options.tty && stdin.isTTY;
  const restore = () => {
    if (raw) stdin.setRawMode(false);
  };
  const onResize = () => {
    const { columns, rows } = terminalSize();
    session.resize(columns, rows).catch(() => undefined);
  };
  // The connection's end shows in `exitCode`; a writer that comes too late must not crash us.
  session.stdin.on('error', () => undefined);
  process.once('exit', restore);
  let broke = true;
  try {
    if (raw) stdin.setRawMode(true);
    if (options.tty) stdout.on('resize', onResize);
    if (options.interactive) stdin.pipe(session.stdin);
    else session.stdin.end();
    const outputs = [
      show(session.stdout, stdout, options.tty || !stdout.isTTY),
      show(session.stderr, stderr, options.tty || !stderr.isTTY),
    ];
    // A session that breaks breaks its outputs too; `exitCode` says why.
    for (const output of outputs) output.catch(() => undefined);
    const code = await session.exitCode;
    await Promise.all(outputs);
    broke = false;
    return code;
  } finally {
    process.off('exit', restore);
    stdout.off('resize', onResize);
    stdin.unpipe();
    stdin.pause();
    restore();
    if (broke && options.tty && stdout.isTTY) stdout.write(resetModes);
    session.close();
  }
}

/** Copies an output to the end. Bytes go through as they are into pipes and raw terminals, else as safe lines. */
async function show(from: Readable, to: NodeJS.WriteStream, asIs: boolean): Promise<void> {
  const source = asIs ? from : from.compose(safeLines());
  for await (const chunk of source as AsyncIterable<Buffer | string>) {
    if (!to.write(chunk)) await once(to, 'drain');
  }
}

function safeLines(): Transform {
  const splitter = new LineSplitter({ color: true });
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const lines = splitter.push(chunk);
      done(null, lines.length > 0 ? `${lines.join('\n')}\n` : undefined);
    },
    flush(done) {
      done(null, splitter.end().join('\n') || undefined);
    },
  });
}
