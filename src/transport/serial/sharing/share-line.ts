import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TransportError } from '../../transport.ts';
import type { HeldLine } from '../held-line.ts';
import type { SerialTarget } from '../target.ts';
import { checkPeer } from './peer.ts';
import { encodeFailure, onRecords, parseJson, recordStream } from './record-stream.ts';
import {
  encodeRecord,
  encodeWords,
  requestSchema,
  SHARING_VERSION,
  type SharingEvent,
  type SharingRecord,
  type SharingRequest,
} from './records.ts';

/** Console text that a guest does not read is kept up to so many bytes; what comes later is not for it. */
const UNREAD = 1024 * 1024;

/** Lets other programs of this user use a line that this process holds. */
export interface LineSharing {
  /** How many programs use it. */
  guests(): number;
  /** Nobody can come any more. Before the line is given back, so that whoever takes it then finds the socket's place free. */
  stop(): void;
  /** After the line was given back: the others may take it now. */
  tell(reason: string): void;
}

/**
 * Listens on a socket that only this user can reach. Requests wait for `line`, which may still be opening. `path` is free
 * to be taken, because the caller has the line's lock. A socket that cannot be made only means that nobody shares.
 */
export function shareLine(path: string, target: SerialTarget, line: Promise<HeldLine>): LineSharing {
  const watchers = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.once('close', () => watchers.delete(socket));
    socket.on('error', () => undefined);
    socket.pause();
    checkPeer(socket).then(
      () => serveGuest(socket, target, line, watchers),
      () => socket.destroy(),
    );
  });
  rmSync(path, { force: true });
  server.on('error', () => undefined);
  server.listen(path, () => {
    try {
      chmodSync(path, 0o600);
    } catch {
      // It has been taken away already.
    }
  });
  server.unref();
  return {
    guests: () => watchers.size,
    stop: () => {
      server.close();
    },
    tell: (reason) => {
      const last: SharingEvent = { event: 'closed', reason };
      for (const watcher of watchers) watcher.end(encodeWords('words', last));
    },
  };
}

function serveGuest(socket: Socket, target: SerialTarget, line: Promise<HeldLine>, watchers: Set<Socket>): void {
  let feed: ((record: SharingRecord) => void) | undefined;
  const early: SharingRecord[] = [];
  let isAsked = false;
  onRecords(socket, (record) => {
    if (feed) feed(record);
    else if (isAsked) early.push(record);
    else {
      isAsked = true;
      begin(record).catch((error: unknown) => socket.end(encodeFailure(error)));
    }
  });
  const begin = async (record: SharingRecord): Promise<void> => {
    const request = requestSchema.safeParse(parseJson(record.bytes));
    if (!request.success || request.data.version !== SHARING_VERSION) throw otherVersion();
    checkSettings(request.data, target);
    const take = (next: (record: SharingRecord) => void): void => {
      feed = next;
      for (const waiting of early.splice(0)) next(waiting);
    };
    await answer(request.data, await line, { socket, take, watchers });
  };
  socket.resume();
}

interface Guest {
  socket: Socket;
  take(feed: (record: SharingRecord) => void): void;
  watchers: Set<Socket>;
}

async function answer(request: SharingRequest, line: HeldLine, { socket, take, watchers }: Guest): Promise<void> {
  switch (request.kind) {
    case 'watch':
      watchers.add(socket);
      watch(socket, line);
      return;
    case 'control':
      socket.end(encodeWords('words', { ok: true, report: await line.control(request.order) }));
      return;
    case 'plain':
      return join(socket, await line.openPlain({ exclusive: request.exclusive }), take);
    case 'stream': {
      const gone = new AbortController();
      const abort = (): void => gone.abort();
      socket.once('close', abort);
      socket.once('end', abort);
      try {
        return join(
          socket,
          await line.open(request.service, { timeoutMs: request.timeoutMs, signal: gone.signal }),
          take,
        );
      } finally {
        socket.off('close', abort);
        socket.off('end', abort);
      }
    }
  }
}

/** Everything that happens on the line, until either is closed. */
function watch(socket: Socket, line: HeldLine): void {
  const say = (event: SharingEvent): void => {
    socket.write(encodeWords('words', event));
  };
  const onText = (text: Buffer): void => {
    if (socket.writableLength < UNREAD) socket.write(encodeRecord('data', text));
  };
  const onUp = (): void => say({ event: 'up' });
  const onDown = (reason: string): void => say({ event: 'down', reason });
  const onAnnounced = (): void => say({ event: 'announced' });
  const onWaiting = (words: string): void => say({ event: 'waiting', words });
  say({ event: 'hello', holder: line.holder, isUp: line.isUp });
  line.on('text', onText).on('up', onUp).on('down', onDown).on('announced', onAnnounced).on('waiting', onWaiting);
  socket.once('close', () => {
    line
      .off('text', onText)
      .off('up', onUp)
      .off('down', onDown)
      .off('announced', onAnnounced)
      .off('waiting', onWaiting);
  });
  // A guest that goes closes its end.
  socket.once('end', () => socket.end());
}

function join(socket: Socket, stream: Duplex, take: Guest['take']): void {
  if (socket.destroyed) {
    stream.destroy();
    return;
  }
  socket.write(encodeWords('words', { ok: true }));
  const { stream: guest, feed } = recordStream(socket, 'the other program has ended');
  guest.pipe(stream);
  stream.pipe(guest);
  guest.on('error', () => stream.destroy());
  stream.on('error', (error) => guest.destroy(error));
  guest.once('close', () => {
    if (!guest.readableEnded || !guest.writableFinished) stream.destroy();
  });
  stream.once('close', () => {
    if (!stream.readableEnded || !stream.writableFinished) guest.destroy();
  });
  take(feed);
}

function otherVersion(): TransportError {
  return new TransportError(
    `the line is held by another version of gantry (process ${process.pid}): end that, or use the same version`,
    { retry: true },
  );
}

function checkSettings({ baud, flow }: { baud: number; flow: string }, target: SerialTarget): void {
  if (baud === target.baud && flow === target.flow) return;
  throw new TransportError(
    `${target.path} is open at ${target.baud} baud with flow=${target.flow} (process ${process.pid}), not at ${baud} with flow=${flow}: use the same, or end that`,
    { retry: true },
  );
}
