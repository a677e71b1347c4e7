import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { file } from '../../src/compose/oci/entry.ts';
import { localStore, OciLayout } from '../../src/compose/oci/layout.ts';
import type { SwapOrder } from '../../src/device/device.ts';
import { GantryDevice } from '../../src/device/gantry-device.ts';
import { hostArch } from '../../src/emulator/index.ts';
import type { SwapEvent, TransferPlan } from '../../src/shared/api/types.ts';
import type { Revision } from '../../src/shared/definition/revision.ts';
import { SerialTransport } from '../../src/transport/serial.ts';
import { UnixTransport } from '../../src/transport/unix.ts';
import { type NativeDevice, startNative } from '../e2e/support/native.ts';
import { ociDir, root } from '../e2e/support/paths.ts';
import { armFaults } from '../killed/moments.ts';
import { type CountedLine, countedLine } from '../support/counted-line.ts';
import { editedImage } from '../support/edited-image.ts';
import { type PacedLine, pacedDevice } from '../support/paced-line.ts';

/** What a serial line of 115,200 baud carries; here nothing holds the bytes up, and they are counted. */
class SlowLine extends UnixTransport {
  readonly bytesPerSecond = 11_000;
}

const block = 64 << 10;
const arch = hostArch();
const web2 = `oci:${ociDir(arch)}:web:2`;

describe('what differs travels to a real device', () => {
  let folder: string;
  let native: NativeDevice;
  let line: CountedLine;
  let device: GantryDevice;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gantry-delta-'));
    native = await startNative(join(root, 'test/killed/device.yml'), 'delta');
    for (const name of ['web', 'mosquitto']) await native.untilIs(name, { health: 'healthy' }, 60);
    line = await countedLine(join(folder, 'line.sock'), native.path('/run/docker.sock'));
    device = new GantryDevice('delta', new SlowLine(join(folder, 'line.sock')));
    await device.connect();
  });
  afterAll(async () => {
    await device?.close();
    line?.close();
    await native?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the root image has of a component. */
  const built = async (name: string) => {
    const factory = JSON.parse(await native.call('GET', '/gantry/v1/revisions/0')) as Revision;
    return factory.components[name]?.image.digest ?? expect.fail(`there is no ${name}`);
  };

  async function swap(order: SwapOrder) {
    line.up = 0;
    line.down = 0;
    const events: SwapEvent[] = [];
    for await (const event of device.swap([order])) events.push(event);
    expect(events.at(-1)).toMatchObject({ stage: 'done' });
    const plan = events.find(({ transfer }) => transfer)?.transfer as TransferPlan;
    return { plan, events, messages: [...new Set(events.map(({ message }) => message))], up: line.up, down: line.down };
  }

  it('web:1 to web:2 whole, because that is less than anything else', async () => {
    const plan = await device.planSwap([{ name: 'web', image: web2 }]);
    const swapped = await swap({ name: 'web', image: web2 });
    expect(swapped.plan.bytes).toBe(plan.transfer?.bytes);
    expect(swapped.plan.bytes).toBeLessThan(400);
    expect((await native.component('web')).image).toBe('web:2');
    console.info(
      `web:1 to web:2: ${swapped.up} bytes to the device, ${swapped.down} back; ${swapped.messages.slice(0, 2).join('; ')}`,
    );
  });

  it('an edited line of the init container as some hundred bytes of its megabytes', async () => {
    const words = 'the API answers at';
    const edit = (content: Buffer) => Buffer.from(content.toString().replace(words, `From now on ${words}`));
    const image = await editedImage({
      ...{ from: localStore(), digest: await built('init'), arch, dir: join(folder, 'init'), name: 'init:edited' },
      file: { path: 'usr/lib/gantry/init.mjs', edit },
    });
    const swapped = await swap({ name: 'init', image });
    expect(swapped.plan.parts).toMatchObject([{ component: 'init', method: 'difference', files: 1 }]);
    expect(swapped.plan.bytes).toBeLessThan(1000);
    await native.untilIs('init', { image: 'init:edited', state: 'running' }, 60);
    expect(native.journal()).toContain(`From now on ${words}`);
    console.info(
      `init edited: ${swapped.up} bytes to the device, ${swapped.down} back; ${swapped.messages.slice(0, 2).join('; ')}`,
    );
  });

  describe('over a serial line of 115,200 baud', () => {
    let paced: PacedLine;
    let serial: GantryDevice;
    beforeAll(async () => {
      paced = await pacedDevice(115_200, native.path('/run/docker.sock'));
      serial = new GantryDevice('serial', new SerialTransport(`serial:${paced.path}?baud=115200`));
      await serial.connect(30_000);
    });
    afterAll(async () => {
      await serial?.close();
      paced?.close();
    });

    it.each(['web', 'init'])('an edited %s is there in seconds', async (name) => {
      const path = name === 'web' ? 'srv/www/index.html' : 'usr/lib/gantry/init.mjs';
      const [from, to] = name === 'web' ? ['version 1', 'version one and a half'] : ['answers at', 'still answers at'];
      const image = await editedImage({
        ...{ from: localStore(), digest: await built(name), arch },
        ...{ dir: join(folder, `serial-${name}`), name: `${name}:serial` },
        file: { path, edit: (content) => Buffer.from(content.toString().replace(from, to)) },
      });
      const bytes = paced.line.bytes;
      const began = performance.now();
      const at = new Map<string, number>();
      for await (const event of serial.swap([{ name, image }])) {
        const stage = event.sending ? 'sent' : event.stage;
        at.set(stage, (performance.now() - began) / 1000);
        if (event.transfer) console.info(`${name}: ${event.message}`);
      }
      const seconds = [...at].map(([stage, when]) => `${stage} ${when.toFixed(2)} s`).join(', ');
      console.info(`${name} over 115,200 baud: ${paced.line.bytes - bytes} bytes on the line both ways; ${seconds}`);
      expect(at.has('done')).toBe(true);
      expect(paced.line.bytes - bytes).toBeLessThan(40_000);
      expect((await native.component(name)).image).toBe(`${name}:serial`);
    });
  });

  it('a configuration alone as itself, and an image that is there as a handshake', async () => {
    const changed = await swap({ name: 'web', config: { fields: { stop_grace_period: '7s' } } });
    const back = await swap({ name: 'web', image: web2.replace('web:2', 'web:1') });
    console.info(
      `configuration alone: ${changed.up} up, ${changed.down} down; image that is there: ${back.up}, ${back.down}`,
    );
    expect(back.plan).toMatchObject({ bytes: 0, parts: [] });
  });

  it('goes on after each kill -9 of the init container, with what had arrived before', async () => {
    await armFaults(native);
    const order = () =>
      writeFileSync(native.path('/run/gantry/faults'), JSON.stringify({ action: 'kill', point: 'upload block' }));
    const more = [file('srv/www/large', randomBytes(4 * block + 1000))];
    const from = new OciLayout(ociDir(arch));
    const { digest } = (await from.find('web:2', arch)) ?? expect.fail('web:2 was not built');
    const image = await editedImage({ from, digest, arch, dir: join(folder, 'large'), name: 'web:large', more });
    const uploads = native.path('/var/lib/gantry/uploads');
    const sizes: number[] = [];
    order();
    line.onUp = () => {
      if (existsSync(native.path('/run/gantry/faults'))) return;
      // It was carried out: that init container is gone.
      const [name] = existsSync(uploads) ? readdirSync(uploads) : [];
      if (name === undefined || sizes.length === 4) return;
      sizes.push(statSync(join(uploads, name)).size);
      order();
    };
    const { plan, messages, up } = await swap({ name: 'web', image });
    line.onUp = () => undefined;
    rmSync(native.path('/run/gantry/faults'), { force: true });
    console.info(`killed when ${sizes.join(', ')} bytes were there; ${up} bytes to the device for ${plan.bytes}`);
    expect(sizes.length).toBeGreaterThan(2);
    for (const [index, size] of sizes.entries()) expect(size).toBeGreaterThanOrEqual((index + 1) * block);
    // Blocks, requests, and what announces the image again each time.
    expect(up).toBeLessThan(plan.bytes + sizes.length * (block + 5000) + 10_000);
    expect(messages.filter((text) => text.startsWith('going on with')).length).toBeGreaterThanOrEqual(sizes.length);
    expect((await native.component('web')).image).toBe('web:large');
  });
});
