import type { Duplex } from 'node:stream';
import { type ConsoleRecord, ConsoleRecordParser } from '../../src/shared/link/console-protocol.ts';
import type { OpenShell, ShellSession } from './shell.ts';

/** Serves one link stream of the service `console`: a shell of the size that the first record names. */
export function serveConsole(stream: Duplex, openShell: OpenShell, log: (line: string) => void): void {
  const parser = new ConsoleRecordParser();
  let shell: ShellSession | undefined;
  let queue: Promise<void> = Promise.resolve();

  const handle = async (record: ConsoleRecord): Promise<void> => {
    if (record.type === 'size') {
      if (shell) await shell.resize(record.columns, record.rows);
      else shell = connect(stream, await openShell(record));
      return;
    }
    const target = shell?.stream;
    if (!target) throw new Error('input came before the size of the terminal');
    if (!target.writable || target.write(record.bytes)) return;
    await new Promise<void>((resolve) => {
      target.once('drain', resolve);
      target.once('close', resolve);
    });
  };

  stream.on('data', (chunk: Buffer) => {
    stream.pause();
    queue = queue
      .then(async () => {
        for (const record of parser.push(chunk)) await handle(record);
        stream.resume();
      })
      .catch((error: Error) => {
        log(`console: ${error.message}`);
        stream.destroy(error);
      });
  });
  stream.on('error', () => {});
  stream.once('close', () => {
    // A shell that is still being opened is closed once it is there.
    void queue.then(() => shell?.stream.destroy());
  });
  stream.once('end', () => {
    void queue.then(() => shell?.stream.end());
  });
}

function connect(stream: Duplex, shell: ShellSession): ShellSession {
  shell.stream.pipe(stream);
  shell.stream.on('error', (error) => stream.destroy(error));
  shell.stream.once('close', () => stream.end());
  shell.exited.catch((error: Error) => stream.destroy(error));
  return shell;
}
