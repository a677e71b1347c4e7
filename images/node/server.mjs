import { createServer } from 'node:http';

const server = createServer((request, response) => {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  if (request.url === '/health') response.end('ok\n');
  else response.end('Hello from Node.\n');
});

// On a device the socket is open already, as descriptor 3 (sd_listen_fds(3)).
const open = process.env.LISTEN_FDS !== undefined;
server.listen(open ? { fd: 3 } : { port: 8080 }, () => console.log('listening'));

// As the first process of its container it must say itself that it ends when it is asked to.
process.on('SIGTERM', () => {
  server.close(() => process.exit());
  server.closeIdleConnections();
});
