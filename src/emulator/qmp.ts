import { once } from 'node:events';
import { createConnection } from 'node:net';
import { z } from 'zod';

/** A command of QEMU's machine protocol (docs/interop/qmp-spec in QEMU). */
export type MonitorCommand = 'query-status' | 'cont' | 'system_reset' | 'chardev-send-break';

/** QEMU's name for the machine's serial line. */
export const serialDevice = 'serial0';

const messageSchema = z.object({ id: z.string().optional(), error: z.object({ desc: z.string() }).optional() });

/**
 * Sends one command to a QEMU and waits for its answer. Rejects when nothing listens on the socket (code ENOENT or
 * ECONNREFUSED), when QEMU refuses, and when it is silent for 10 s.
 */
export async function monitorCommand(
  socketPath: string,
  command: MonitorCommand,
  parameters: Record<string, string> = {},
): Promise<void> {
  const socket = createConnection(socketPath);
  try {
    await once(socket, 'connect');
    socket.setTimeout(10_000, () => socket.destroy(new Error(`QEMU did not answer "${command}" within 10 s.`)));
    const order = JSON.stringify({ execute: command, arguments: parameters, id: 'command' });
    socket.write(`{"execute":"qmp_capabilities","id":"hello"}\n${order}\n`);
    let rest = '';
    for await (const chunk of socket) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = messageSchema.parse(JSON.parse(line));
        if (message.error !== undefined) throw new Error(`QEMU refused "${command}": ${message.error.desc}`);
        if (message.id === 'command') return;
      }
    }
    throw new Error(`QEMU ended before it answered "${command}".`);
  } finally {
    socket.destroy();
  }
}
