import { request } from 'node:http';

/** Resolves when the API at this socket answers; rejects when it does not, or when `signal` aborts. */
export function ping(socketPath: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/_ping', signal, agent: false }, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`the API answers with the status ${response.statusCode}`));
      });
    });
    asked.on('error', (cause) => reject(new Error(`the API does not answer: ${cause.message}`, { cause })));
    asked.end();
  });
}
