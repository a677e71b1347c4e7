import type { Duplex } from 'node:stream';
import { loadLibc } from '../native/libc.ts';

const pollHangUp = 0x10;
const checkMs = 1000;

/**
 * Calls back when the other side of a hijacked connection is gone altogether. To Node that looks the same as its mere end
 * of input, which is no reason to end a process that has output to give; only poll(2) tells them apart. It is asked once a
 * second, and only between the end of input and the end of the session. Returns how to stop.
 */
export function watchPeer(socket: Duplex, onGone: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const check = () => {
    isGone(socket).then(
      (gone) => {
        if (!gone || timer === undefined) return;
        stop();
        onGone();
      },
      () => stop(),
    );
  };
  const onEnd = () => {
    timer = setInterval(check, checkMs);
    check();
  };
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    socket.off('end', onEnd);
  };
  socket.once('end', onEnd);
  socket.once('close', stop);
  return stop;
}

async function isGone(socket: Duplex): Promise<boolean> {
  const libc = await loadLibc();
  const fd = (socket as { _handle?: { fd?: number } | null })._handle?.fd;
  if (fd === undefined || fd < 0) return true;
  const fds = Buffer.alloc(8);
  fds.writeInt32LE(fd, 0);
  libc.poll(fds, 1, 0);
  return (fds.readInt16LE(6) & pollHangUp) !== 0;
}
