import { PassThrough, Writable } from 'node:stream';
import type { Session } from '../../src/device/device.ts';

/**
 * A session that answers every byte with its number (`<ff>`), so that a test sees exactly what arrived. ctrl-d ends it;
 * `V` behaves like an editor that dies: it leaves mouse, bracketed paste and the alternate screen switched on.
 */
export function recorderSession(where: string, onResize: (size: string) => void): Session {
  const stdout = new PassThrough();
  const exit = Promise.withResolvers<number>();
  const stdin = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const byte of chunk) {
        if (byte === 0x56) stdout.write('\x1b[?1049h\x1b[?1000h\x1b[?1006h\x1b[?2004h\x1b[?1h\x1b=editor');
        else stdout.write(`<${byte.toString(16).padStart(2, '0')}>`);
        if (byte === 0x04) stdout.end();
      }
      done();
    },
  });
  stdout.on('end', () => exit.resolve(0));
  stdout.write(`shell ${where}\r\n`);
  return {
    stdin,
    stdout,
    stderr: new PassThrough(),
    async resize(columns, rows) {
      onResize(`${columns}x${rows}`);
    },
    exitCode: exit.promise,
    close: () => undefined,
  };
}
