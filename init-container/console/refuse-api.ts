import type { Duplex } from 'node:stream';

/** Answers whatever is asked on a connection to the API with 403 and the reason, as the API itself answers. */
export function refuseApi(stream: Duplex, reason: string): void {
  stream.on('error', () => undefined);
  stream.resume();
  const body = `${JSON.stringify({ message: reason })}\n`;
  const headers = [
    'HTTP/1.1 403 Forbidden',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  stream.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
}
