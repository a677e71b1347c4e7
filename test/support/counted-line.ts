import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A unix socket that leads to another one, counts what passes, and can be cut. */
export interface CountedLine {
  /** Bytes so far, towards the device and back. Tests set them to 0. */
  up: number;
  down: number;
  /** Called with `up` whenever something went that way. */
  onUp: (up: number) => void;
  /** Every connection breaks; new ones are possible. */
  cut(): void;
  close(): void;
}

export async function countedLine(path: string, target: string): Promise<CountedLine> {
  const sockets = new Set<Socket>();
  const server = createServer((host) => {
    const device = connect(target);
    for (const end of [host, device]) {
      sockets.add(end);
      end.on('error', () => undefined);
      end.once('close', () => sockets.delete(end));
    }
    host.once('close', () => device.destroy());
    device.once('close', () => host.destroy());
    device.on('data', (chunk) => {
      line.down += chunk.length;
      passOn(device, host, chunk);
    });
    host.on('data', (chunk) => {
      line.up += chunk.length;
      passOn(host, device, chunk);
      line.onUp(line.up);
    });
  });
  const line: CountedLine = {
    up: 0,
    down: 0,
    onUp: () => undefined,
    cut: () => {
      for (const end of sockets) end.destroy();
    },
    close: () => {
      server.close();
      line.cut();
    },
  };
  server.listen(path);
  await once(server, 'listening');
  return line;
}

function passOn(from: Socket, to: Socket, chunk: Buffer): void {
  if (to.write(chunk)) return;
  from.pause();
  to.once('drain', () => from.resume());
}
