import { createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import type { FakeDevice } from './fake-device.ts';

/**
 * Lets a test steer `device` from another process, through a socket at `path`: one JSON array a line,
 * `["method", ...arguments]`, each answered by one line.
 */
export function serveCommands(path: string, device: FakeDevice): Server {
  const commands: Record<string, (...values: never[]) => unknown> = {
    log: (name: string, texts: string[]) => device.log(name, texts),
    burst: (name: string, count: number, length = 0) =>
      device.log(
        name,
        Array.from({ length: count }, (_, index) => `burst line ${index}`.padEnd(length, '.')),
      ),
    change: (name: string, change: object) => device.change(name, change),
    tell: (more: Partial<Pick<FakeDevice, 'infoMore' | 'planMore' | 'garbage' | 'upgradeState'>>) =>
      Object.assign(device, more),
    lose: (detail: string, attempt: number) => device.lose(detail, attempt),
    comeBack: () => device.comeBack(),
    hold: () => {
      device.holdSwaps = true;
    },
    step: () => {
      device.release();
      device.holdSwaps = true;
    },
    release: () => device.release(),
    calls: () => device.calls,
    signal: (name: NodeJS.Signals) => setImmediate(() => process.kill(process.pid, name)),
    warn: () => process.emitWarning('a library warns'),
    throw: () => {
      setImmediate(() => {
        throw new Error('thrown on purpose');
      });
    },
    reject: () => {
      void Promise.reject(new Error('rejected on purpose'));
    },
    exit: () => setImmediate(() => process.exit(3)),
  };
  const server = createServer((socket) => {
    socket.unref();
    createInterface({ input: socket }).on('line', (line) => {
      const [name, ...values] = JSON.parse(line) as [string, ...never[]];
      const answer = commands[name]?.(...values);
      socket.write(`${JSON.stringify(Array.isArray(answer) ? answer : null)}\n`);
    });
  });
  server.listen(path);
  server.unref();
  return server;
}
