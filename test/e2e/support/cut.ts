import { existsSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/** Something between Gantry and a device that can be cut, as a cable can. */
export interface Cut {
  /** Ends every connection, and refuses new ones until `mend`. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** Listens at `listen` (a port, or a path of a socket) and passes bytes to `target` both ways. */
export async function cutBetween(listen: number | string, target: number | string): Promise<Cut & { server: Server }> {
  const open = new Set<Socket>();
  let whole = true;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = typeof target === 'number' ? createConnection(target, '127.0.0.1') : createConnection(target);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  if (typeof listen === 'string' && existsSync(listen)) rmSync(listen);
  await new Promise<void>((resolve) => {
    if (typeof listen === 'number') server.listen(listen, '127.0.0.1', resolve);
    else server.listen(listen, resolve);
  });
  return {
    server,
    cut: () => {
      whole = false;
      for (const socket of open) socket.destroy();
    },
    mend: () => {
      whole = true;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
