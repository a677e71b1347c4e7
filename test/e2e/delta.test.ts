import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localStore } from '../../src/compose/oci/layout.ts';
import type { ComponentStatus, SwapEvent, SwapPlan } from '../../src/shared/api/types.ts';
import { editedImage } from '../support/edited-image.ts';
import { gantry, gantryJson } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { work } from './support/paths.ts';
import { type SlowLine, slowLine } from './support/slow-line.ts';

const baud = 115_200;
const folder = join(work, 'delta');

/** A booted machine without a network, whose serial line is as slow as a real one. */
describe('over a serial line of 115,200 baud only what differs travels', () => {
  let machine: Machine;
  let slow: SlowLine;
  let target: string;

  beforeAll(async () => {
    machine = await boot('amd64', 'serial', { name: 'e2e-delta' });
    await machine.untilHealthy();
    slow = await slowLine(machine, baud);
    target = slow.target;
  });
  afterAll(async () => {
    slow?.close();
    await machine?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function swap(name: string, image: string) {
    const before = slow.line.bytes;
    const outcome = await gantry('-d', target, 'swap', name, image, '--json');
    const events = outcome.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as SwapEvent);
    const transfer = events.find((event) => event.transfer)?.transfer;
    const secondsTo = (wanted: (event: SwapEvent) => boolean) =>
      (Date.parse(events.find(wanted)?.at ?? '') - Date.parse(events[0]?.at ?? '')) / 1000;
    const sent = secondsTo(({ message }) => message.startsWith('sent '));
    console.info(
      `${name}: ${transfer?.bytes} bytes of ${transfer?.parts[0]?.wholeBytes}, sent in ${sent} s; ` +
        `${slow.line.bytes - before} bytes on the line, both ways, with all that a swap asks and tells`,
    );
    return { ...outcome, transfer, last: events.at(-1) };
  }

  it('web:1 to web:2', async () => {
    const plan = await gantryJson<SwapPlan>('-d', target, 'swap', '--dry-run', 'web', machine.web('2'));
    const { code, transfer } = await swap('web', machine.web('2'));
    expect(code).toBe(0);
    expect(transfer?.bytes).toBe(plan.transfer?.bytes);
    expect(transfer?.bytes).toBeLessThan(400);
    expect(transfer?.rate.how).toBe('known');
    const all = await gantryJson<ComponentStatus[]>('-d', target, 'ps', '-a');
    expect(all.find((component) => component.name === 'web')?.image).toBe('web:2');
  });

  it('an edit of the init container', async () => {
    const all = await gantryJson<ComponentStatus[]>('-d', target, 'ps', '-a');
    const digest = all.find(({ name }) => name === 'init')?.digest ?? expect.fail('there is no init');
    const image = await editedImage({
      ...{ from: localStore(), digest, arch: 'amd64', dir: folder, name: 'init:edited' },
      file: {
        path: 'usr/lib/gantry/init.mjs',
        edit: (content) => Buffer.from(content.toString().replace('answers at', 'still answers at')),
      },
    });
    const { code, transfer, last } = await swap('init', image);
    expect([code, last?.stage]).toEqual([0, 'done']);
    expect(transfer?.parts).toMatchObject([{ method: 'difference', files: 1 }]);
    expect(transfer?.bytes).toBeLessThan(1000);
  });
});
