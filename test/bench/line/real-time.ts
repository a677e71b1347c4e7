import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createLink } from '../../../src/shared/link/link.ts';
import { priorities } from '../../../src/shared/link/link-options.ts';
import { randomBytes } from '../../line/random.ts';
import { rawTty } from './raw-tty.ts';
import { openRealLine } from './real-line.ts';
import { BITS_PER_BYTE, type Scenario, TRANSFER } from './scenarios.ts';

const LIMIT_MS = 180_000;

/** The link as `transfer` in simulated time, but in real time between two ttys. Rejects when it does not arrive as it was. */
export async function transferInRealTime(scenario: Scenario, seed: number): Promise<number> {
  const bytesPerSecond = scenario.baud / BITS_PER_BYTE;
  const { host, device, close } = await openRealLine(scenario, seed);
  const near = createLink(await rawTty(host.path), { role: 'host', bytesPerSecond });
  const far = createLink(await rawTty(device.path), { role: 'device', bootId: 'bench' });
  const data = randomBytes(seed, TRANSFER);
  try {
    await near.connect({ deadlineMs: 10_000 });
    const accepted = once(far, 'stream');
    const before = performance.now();
    const stream = near.openStream('api', priorities.api);
    if (scenario.direction === 'upload') stream.end(data);
    const [other] = await accepted;
    if (scenario.direction === 'download') other.end(data);
    const received: Buffer[] = [];
    let length = 0;
    const arrived = new Promise<void>((resolve) => {
      (scenario.direction === 'upload' ? other : stream).on('data', (piece: Buffer) => {
        received.push(piece);
        length += piece.length;
        if (length >= TRANSFER) resolve();
      });
    });
    const limit = new AbortController();
    await Promise.race([arrived, delay(LIMIT_MS, undefined, limit)]);
    limit.abort();
    const seconds = (performance.now() - before) / 1000;
    if (!Buffer.concat(received).equals(data))
      throw new Error(`${scenario.name}: ${length} bytes arrived in real time`);
    return TRANSFER / seconds / bytesPerSecond;
  } finally {
    await Promise.all([near.close(), far.close()]);
    close();
  }
}
