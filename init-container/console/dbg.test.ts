import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, Agent as HttpAgent, request, type Server } from 'node:http';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SerialTransport } from '../../src/transport/serial.ts';
import { seededRandom } from '../../test/support/line.ts';
import { createPty, type Pty } from '../../test/support/pty.ts';
import { spawnPty } from '../native/pty.ts';
import { type ConsoleAgent, startConsoleAgent } from './agent.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-console-'));
const printk = { control: join(folder, 'printk'), saved: join(folder, 'saved') };
const socketPath = join(folder, 'api.sock');
const consolePath = join(folder, 'console');
const patient = { timeout: 15_000, interval: 10 };
const cleanups: (() => void | Promise<void>)[] = [];

let server: Server;
let agent: ConsoleAgent;
let deviceEnd: Pty;
let hostEnd: Pty;
let logged: string[]; let ev: string[]=[]; const E=(x: string)=>ev.push(Math.round(performance.now())+' '+x); setInterval(()=>{},1000);
process.on('exit',()=>{});

function bytes(seed: number, length: number): Buffer {
  const random = seededRandom(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

function sha(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Joins the two ptys as a cable would, with whatever `damage` does to the bytes. */
function plug(damage: (chunk: Buffer) => Buffer = (chunk) => chunk): void {
  deviceEnd.cable.on('data', (chunk: Buffer) => {E('d>h '+chunk.length+' '+chunk.toString('hex').slice(0,40)); hostEnd.cable.write(damage(chunk))});
  hostEnd.cable.on('data', (chunk: Buffer) => {E('h>d '+chunk.length+' '+chunk.toString('hex').slice(0,40)); deviceEnd.cable.write(chunk)});
}

beforeEach(async () => { ev=[];
  logged = [];
  writeFileSync(printk.control, '7\t4\t1\t7\n');
  server = createServer(async (incoming, response) => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const url = new URL(incoming.url ?? '/', 'http://device');
    response.setHeader('x-received', sha(Buffer.concat(parts)));
    response.end(bytes(Number(url.searchParams.get('seed')), Number(url.searchParams.get('size'))));
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  deviceEnd = await createPty();
  hostEnd = await createPty(); E('device '+deviceEnd.path+' '+(deviceEnd.cable as any)._handle.fd+' host '+hostEnd.path+' '+(hostEnd.cable as any)._handle.fd);
  symlinkSync(deviceEnd.path, consolePath);
  agent = startConsoleAgent({
    tty: consolePath,
    bootId: 'boot-1',
    printk,
    reopenMs: 20,
    log: (line) => {E('LOG '+line); logged.push(line)},
    openApi: () => connectSocket({ path: socketPath, allowHalfOpen: true }),
    openShell: async (size) => {
      const shell = await spawnPty(['/bin/sh'], { ...size, env: { PATH: process.env.PATH, PS1: 'prompt> ' } });
      return { ...shell, resize: async (columns, rows) => shell.resize(columns, rows) };
    },
  });
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await agent.close();
  deviceEnd.close();
  hostEnd.close();
  unlinkSync(consolePath);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

function makeTransport(options: { connectTimeoutMs?: number } = {}): SerialTransport {
  const transport = new SerialTransport(`serial:${hostEnd.path}?baud=1000000`, options);
  cleanups.push(() => transport.close());
  return transport;
}

/** One request with a body and an answer of `size` bytes, both checked; on a stream of its own unless `pool` is given. */
async function ask(transport: SerialTransport, size: number, seed: number, pool?: HttpAgent): Promise<void> {
  const body = bytes(seed + 1, seed % 3 === 0 ? 0 : size);
  const connection = pool ? undefined : await transport.open();
  await new Promise<void>((resolve, reject) => {
    const asking = request(
      {
        method: 'POST',
        path: `/x?size=${size}&seed=${seed}`,
        headers: { host: 'device', 'content-length': body.length },
        ...(pool ? { agent: pool } : { createConnection: () => connection as Duplex }),
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          try {
            expect(response.headers['x-received']).toBe(sha(body));
            expect(sha(Buffer.concat(parts))).toBe(sha(bytes(seed, size)));
            resolve();
          } catch (error) {
            reject(error as Error);
          }
        });
      },
    );
    asking.on('error', reject);
    asking.end(body);
  });
}

function collect(stream: Duplex): () => string {
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  stream.on('error', () => {});
  return () => text;
}

test.each(Array.from({length:40},(_,i)=>i))('the link %i comes back by itself when the device starts anew', async () => {
  const wd=setTimeout(()=>{console.log(ev.join('\n'), agent.state, hostEnd.path, deviceEnd.path, require('node:child_process').execSync('for f in /proc/[0-9]*/fdinfo/*; do grep -H tty-index $f; done; ps -ef --forest; grep -H io_uring -A30 /proc/'+process.pid+'/fdinfo/5').toString())},12000); cleanups.push(()=>clearTimeout(wd));
  plug();
  const transport = makeTransport();
  const lost: string[] = [];
  transport.onLost((reason) => lost.push(reason));
  E('start'); await ask(transport, 10, 1); E('asked');
  // Closing the tty loses the goodbye of a device that is switched off, so it is made to fail instead.
  const oldEnd = deviceEnd; E('old '+oldEnd.path);
  deviceEnd = await createPty();
  unlinkSync(consolePath);
  symlinkSync(deviceEnd.path, consolePath);
  E('new '+deviceEnd.path+' '+(deviceEnd.cable as any)._handle.fd+' old h '+(oldEnd.cable as any)._handle?.fd+' destroyed '+oldEnd.cable.destroyed); oldEnd.cable.on('close',()=>E('old closed'));oldEnd.cable.on('error',(e)=>E('old error '+e));
  oldEnd.close();
  hostEnd.cable.removeAllListeners('data');
  plug();
  await vi.waitFor(() => expect(lost).toHaveLength(1), patient);
  E('lost'); await ask(transport, 1000, 2); E('done');
  expect(logged.some((line) => line.includes('opened again'))).toBe(true);
});

