/**
 * Asks a container engine to restart its container, and the container's page until it answers again. Runs in the network
 * namespace of that engine; the same program, the same requests, whichever engine it is. Arguments: the API's socket, the
 * container's name. Standard input: an action a line; standard output: its times in milliseconds, as JSON.
 */
import { get, request } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const [socketPath = '', container = ''] = process.argv.slice(2);
const actions: Record<string, string[]> = { restart: ['restart'], 'stop + start': ['stop', 'start'] };

function call(method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        if ((response.statusCode ?? 500) < 300) resolve(text);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.trim()}`));
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function processId(): Promise<number> {
  const inspected: { State: { Pid: number } } = JSON.parse(await call('GET', `/containers/${container}/json`));
  return inspected.State.Pid;
}

function pageAnswers(): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port: 80, path: '/', agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200));
    }).on('error', () => resolve(false));
  });
}

async function untilPageAnswers(seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!(await pageAnswers())) {
    if (performance.now() > end) throw new Error(`the page did not answer within ${seconds} s`);
    await delay(1);
  }
}

for await (const action of createInterface({ input: process.stdin })) {
  const steps = actions[action];
  if (steps === undefined) throw new Error(`there is no action ${action}`);
  const before = await processId();
  const started = performance.now();
  for (const step of steps) await call('POST', `/containers/${container}/${step}`);
  const answered = performance.now() - started;
  await untilPageAnswers(30);
  const page = performance.now() - started;
  if ((await processId()) === before) throw new Error(`process ${before} still runs after "${action}"`);
  process.stdout.write(`${JSON.stringify({ answered, page })}\n`);
}
