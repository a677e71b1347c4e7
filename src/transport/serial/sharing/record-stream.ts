import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { sanitizeLine } from '../../../shared/text/sanitize.ts';
import { TransportError } from '../../transport.ts';
import { encodeRecord, encodeWords, failureSchema, RecordParser, type SharingRecord } from './records.ts';

/** Hands over the records of a connection; a connection that says anything else is closed. */
export function onRecords(socket: Socket, listener: (record: SharingRecord) => void): void {
  const parser = new RecordParser();
  socket.on('data', (chunk: Buffer) => {
    let records: SharingRecord[];
    try {
      records = parser.push(chunk);
    } catch (error) {
      socket.destroy(error as Error);
      return;
    }
    for (const record of records) if (!socket.destroyed) listener(record);
  });
}

/** What the other side says in a `fail` record. */
export function failureOf(bytes: Buffer): TransportError {
  const parsed = failureSchema.safeParse(parseJson(bytes));
  if (!parsed.success) return new TransportError('the other side failed without a reason', { retry: true });
  const { message, retry } = parsed.data;
  return new TransportError(
    message
      .split('\n')
      .map((line) => sanitizeLine(line, { color: false }))
      .join('\n'),
    { retry },
  );
}

export function encodeFailure(error: unknown): Buffer {
  const message = error instanceof Error ? error.message : String(error);
  return encodeWords('fail', { message, retry: error instanceof TransportError ? error.retry : true });
}

export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * One stream over a connection of its own, with both ends told apart from a break: when the connection ends otherwise,
 * the stream fails with `broken`. `feed` gives it the records that come.
 */
export function recordStream(socket: Socket, broken: string): { stream: Duplex; feed(record: SharingRecord): void } {
  let isRead = false;
  let isWritten = false;
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => {
      socket.resume();
    },
    write: (chunk: Buffer, _encoding, callback) => {
      socket.write(encodeRecord('data', chunk), callback);
    },
    final: (callback) => {
      isWritten = true;
      socket.write(encodeRecord('end', Buffer.alloc(0)), callback);
    },
    destroy: (error, callback) => {
      // Without both ends the other side takes it for what it is: broken off. An error is said first.
      if (error && !isRead && !socket.destroyed) socket.write(encodeFailure(error));
      if (socket.destroyed) callback(error);
      else socket.end(() => callback(error));
      if (!isWritten || !isRead) socket.resume();
    },
  });
  const lost = (): void => {
    if (!stream.destroyed && !(isRead && isWritten)) stream.destroy(new TransportError(broken, { retry: true }));
  };
  socket.on('close', lost);
  socket.on('end', lost);
  // Its `close` follows.
  socket.on('error', () => undefined);
  // Whoever uses it still sees `error` and `close`; with nobody, the process must not end.
  stream.on('error', () => undefined);
  return {
    stream,
    feed: ({ type, bytes }) => {
      if (stream.destroyed || isRead) return;
      if (type === 'data') {
        if (!stream.push(bytes)) socket.pause();
      } else if (type === 'end') {
        isRead = true;
        stream.push(null);
      } else if (type === 'fail') {
        stream.destroy(failureOf(bytes));
      }
    },
  };
}
