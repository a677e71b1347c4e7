import { once } from 'node:events';
import { createServer } from 'node:net';

/** Free TCP ports on 127.0.0.1, all different. Another process may take one before it is used. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  try {
    return await Promise.all(
      servers.map(async (server) => {
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        const address = server.address();
        if (address === null || typeof address === 'string') throw new Error('no TCP port was given');
        return address.port;
      }),
    );
  } finally {
    for (const server of servers) server.close();
  }
}
