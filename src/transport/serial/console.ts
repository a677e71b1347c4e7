import { Duplex } from 'node:stream';
import { encodeInput, encodeSize, type TerminalSize } from '../../shared/link/console-protocol.ts';
import type { Link } from '../../shared/link/link.ts';

/** A terminal on the device, raw in both directions. */
export interface SerialConsole {
  /** `shell`: a shell of its own, beside the API. `plain`: the line as it is, for boot loaders and other systems. */
  mode: 'shell' | 'plain';
  /** Ends when the shell ends; fails when the line or the link is lost. Kernel messages appear in it as they come. */
  stream: Duplex;
  /** Tells the shell; without effect in plain mode. */
  resize(size: TerminalSize): void;
}

/** Text that nobody reads (the terminal was stopped) is kept up to so many bytes; what comes later is dropped. */
const UNREAD = 1024 * 1024;

/** `shell` is a new link stream of the service `console`. */
export function shellConsole(link: Link, shell: Duplex, size: TerminalSize): SerialConsole {
  const stream = new Duplex({
    allowHalfOpen: false,
    read: () => shell.resume(),
    write: (chunk: Buffer, _encoding, callback) => shell.write(encodeInput(chunk), callback),
    final: (callback) => shell.end(callback),
    destroy: (error, callback) => {
      link.off('text', showText);
      shell.destroy();
      callback(error);
    },
  });
  const showText = (text: Buffer): void => {
    if (stream.readableLength < UNREAD) stream.push(text);
  };
  link.on('text', showText);
  shell.on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) shell.pause();
  });
  shell.on('end', () => {
    link.off('text', showText);
    stream.push(null);
  });
  shell.on('error', (error) => stream.destroy(error));
  stream.on('error', () => {});
  shell.write(encodeSize(size));
  return {
    mode: 'shell',
    stream,
    resize: (changed) => {
      if (shell.writable) shell.write(encodeSize(changed));
    },
  };
}

/** The line itself. */
export function plainConsole(link: Link): SerialConsole {
  const stream = new Duplex({
    allowHalfOpen: false,
    read() {},
    write: (chunk: Buffer, _encoding, callback) => {
      if (link.state === 'up') callback(new Error('the line carries a link now: reopen the console'));
      else if (link.writeText(chunk)) callback();
      else link.once('drain', () => callback());
    },
    destroy: (error, callback) => {
      link.off('text', showText);
      link.off('closed', lost);
      callback(error);
    },
  });
  const showText = (text: Buffer): void => {
    if (stream.readableLength < UNREAD) stream.push(text);
  };
  const lost = (reason: string): void => {
    stream.destroy(new Error(reason));
  };
  link.on('text', showText);
  link.on('closed', lost);
  // As on a link's own streams: an error that nobody listens to must not end the process.
  stream.on('error', () => {});
  return { mode: 'plain', stream, resize: () => undefined };
}
