import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { file } from '../../src/compose/oci/entry.ts';
import { localStore, OciLayout } from '../../src/compose/oci/layout.ts';
import { noise } from '../../src/device/delta/delta.testing.ts';
import { monitorCommand } from '../../src/emulator/qmp.ts';
import type { ComponentStatus, SwapEvent, SwapPlan } from '../../src/shared/api/types.ts';
import { editedImage } from '../support/edited-image.ts';
import { gantry, gantryJson, start } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { ociDir, work } from './support/paths.ts';
import { type SlowLine, slowLine } from './support/slow-line.ts';

const baud = 115_200;
const folder = join(work, 'delta');

/** A booted machine without a network, whose serial line is as slow as a real one. */
describe('over a serial line of 115,200 baud only what differs travels', () => {
  let machine: Machine;
  let slow: SlowLine;
  let target: string;

  beforeAll(async () => {
    machine = await boot('amd64', 'serial', { name: 'e2e-delta', data: true });
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

  async function component(name: string): Promise<ComponentStatus> {
    const all = await gantryJson<ComponentStatus[]>('-d', target, 'ps', '-a');
    return all.find((one) => one.name === name) ?? expect.fail(`there is no ${name}`);
  }

  it('web:1 to web:2', async () => {
    const plan = await gantryJson<SwapPlan>('-d', target, 'swap', '--dry-run', 'web', machine.web('2'));
    const { code, transfer } = await swap('web', machine.web('2'));
    expect(code).toBe(0);
    expect(transfer?.bytes).toBe(plan.transfer?.bytes);
    expect(transfer?.bytes).toBeLessThan(400);
    expect(transfer?.rate.how).toBe('known');
    expect((await component('web')).image).toBe('web:2');
  });

  it('an edit of the init container', async () => {
    const { digest } = await component('init');
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

  it('what came before a reset does not come again', async () => {
    const { digest } = await component('web');
    const more = [file('usr/share/noise', noise(150_000))];
    const image = await editedImage({
      from: new OciLayout(ociDir('amd64')),
      digest,
      arch: 'amd64',
      dir: folder,
      name: 'web:noise',
      more,
    });
    const swapping = start(['-d', target, 'swap', 'web', image, '--json']);
    const events: SwapEvent[] = [];
    let there = 0;
    for await (const line of createInterface(swapping.stdout)) {
      const event = JSON.parse(line) as SwapEvent;
      events.push(event);
      const done = event.progress?.done ?? 0;
      if (there > 0 || done === 0) continue;
      there = done;
      await monitorCommand(machine.emulator.instance.monitor.path, 'system_reset');
    }
    expect([(await swapping).stderr, events.at(-1)?.stage]).toEqual(['', 'done']);
    expect(there).toBeGreaterThanOrEqual(64 << 10);
    const goesOn = events.find(({ message }) => message.startsWith('going on with web:noise'));
    expect(goesOn?.progress?.done).toBeGreaterThanOrEqual(there);
    expect((await component('web')).image).toBe('web:noise');
  });
});
