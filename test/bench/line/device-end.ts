import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { createLink } from '../../../src/shared/link/link.ts';
import { randomBytes } from '../../line/random.ts';
import { rawTty } from './raw-tty.ts';
import { TRANSFER } from './scenarios.ts';

/**
 * The device's end of the link, alone in its process: `device-end.ts TTY`. A stream `log` gets the bytes of a transfer,
 * one `api` sends them. For each line of its input it writes the microseconds of processor time that it has used so far.
 */
const link = createLink(await rawTty(process.argv[2] ?? ''), { role: 'device', bootId: 'bench' });
const data = randomBytes(1, TRANSFER);
link.on('stream', (stream: Duplex, service) => {
  stream.on('error', () => {});
  if (service === 'log') stream.end(data);
  else stream.resume().on('end', () => stream.end());
});
for await (const _ of createInterface({ input: process.stdin })) {
  const { user, system } = process.cpuUsage();
  process.stdout.write(`${user + system}\n`);
}
process.exit();
