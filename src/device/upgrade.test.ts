import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sendEmpty } from '../../init-container/api/respond.ts';
import { temporaryFolder } from '../../init-container/store/test-support.ts';
import { digestOf } from '../shared/oci/digest.ts';
import { jsonRoute, TestDevice } from './api-server.testing.ts';
import { hostOf, storeBehindLine } from './transfer/store-line.testing.ts';
import { imageFolder, keep, rootImageOf, type TestImage } from './upgrade/images.testing.ts';
import type { UpgradePlan } from './upgrade/plan.ts';
import { planUpgrade, upgradeDevice } from './upgrade.ts';
import type { UploadContext } from './upload.ts';

/** 115,200 baud. */
const slow = 11_000;
const block = 64 << 10;
/** What every cut costs besides the block: the device is asked what it has, and where it is. */
const askingBytes = 4000;
const kernel = randomBytes(50_000);
const initrd = randomBytes(20_000);
const blocks = Array.from({ length: 40 }, () => randomBytes(20_000));
const running = { kernel, 'initrd.img': initrd, 'root.img': rootImageOf(blocks) };
/** One block is another one, and longer: what is behind it moves. */
const edited = rootImageOf(blocks.with(7, randomBytes(3001)).toSpliced(20, 0, randomBytes(500)));
const other = rootImageOf([...blocks.slice(20), randomBytes(300_000)]);

async function upgrade(context: UploadContext, { dir }: TestImage) {
  const messages: string[] = [];
  let plan: UpgradePlan | undefined;
  const steps = upgradeDevice(context, dir);
  for (let step = await steps.next(); ; step = await steps.next()) {
    if (step.done) return { status: step.value, plan, messages: [...new Set(messages)] };
    messages.push(step.value.message);
    plan ??= step.value.plan;
  }
}

/** A device that runs an image, and a host that built it. */
async function device(options: Parameters<typeof storeBehindLine>[0] = {}, hostHas: TestImage['files'] = running) {
  const store = await storeBehindLine({ rootImage: running['root.img'], ...options });
  const cacheDir = await temporaryFolder();
  const context = await hostOf(store.path, cacheDir, slow);
  await keep(context.cache, await imageFolder('11111111', hostHas));
  const slot = (name: string) => readFileSync(join(store.data, 'boot/a', name));
  const expectWritten = ({ files }: TestImage) => {
    for (const [name, bytes] of Object.entries(files)) expect(slot(name).equals(bytes), name).toBe(true);
    expect(readdirSync(join(store.data, 'uploads'))).toEqual([]);
  };
  return { ...store, cacheDir, context, expectWritten };
}

describe('an upgrade', () => {
  it('sends what differs of the root image that runs, and nothing of what is in a slot', async () => {
    const { context, line, expectWritten, data } = await device();
    const next = await imageFolder('22222222', { ...running, 'root.img': edited });
    const shown = await planUpgrade(context, next.dir);
    expect(existsSync(join(data, 'boot'))).toBe(false);
    line.up = 0;
    const { status, plan, messages } = await upgrade(context, next);
    console.info(`bytes up: ${line.up} for an image of ${plan?.wholeBytes}, root.img ${plan?.parts[2]?.bytes}`);
    expect(status).toMatchObject({ id: '22222222', state: 'kept' });
    expect(plan).toEqual(shown);
    // The kernel that runs is on no disk of this device.
    expect(plan?.parts.map(({ method }) => method)).toEqual(['whole', 'whole', 'difference']);
    expect(plan?.parts[0]).toMatchObject({
      why: 'the device has no kernel that it could be compared with',
    });
    expect(plan?.parts[0]?.bytes).toBeGreaterThan(50_000);
    expect(plan?.parts[2]?.bytes).toBeLessThan(3800);
    expect(line.up).toBeLessThan((plan?.bytes ?? 0) + 3000);
    expect(messages[1]).toMatch(
      /^os: 7\d\.\d kB instead of 8\d\d kB: root.img as a difference, kernel and initrd.img whole, about 6\.\d s at 11\.0 kB\/s$/,
    );
    expectWritten(next);
    const third = await imageFolder('33333333', { ...running, 'root.img': rootImageOf(blocks.slice(1)) });
    const again = await planUpgrade(context, third.dir);
    expect(again.parts.map(({ method }) => method)).toEqual(['there', 'there', 'difference']);
    expect(again.bytes).toBeLessThan(800);
  });

  it('sends everything when the host lacks what the device has, and says so', async () => {
    const { context, expectWritten } = await device({}, { ...running, 'root.img': other });
    const next = await imageFolder('22222222', { ...running, 'root.img': edited });
    const { plan, messages } = await upgrade(context, next);
    expect(plan).toMatchObject({ method: 'whole', bytes: plan?.wholeBytes });
    const why = 'this host does not have the root.img that the device has';
    expect(plan?.parts.map((part) => part.why)).toEqual([why, why, why]);
    expect(messages[1]).toMatch(/^os: 8\d\d kB: the whole image, about 1m\d+s at 11\.0 kB\/s$/);
    expectWritten(next);
  });

  it('takes nothing for a base that was changed here since it was built', async () => {
    const { context } = await device();
    const dir = (await context.cache.images.find(digestOf(running['root.img']))) ?? '';
    writeFileSync(dir, other);
    const next = await imageFolder('22222222', { ...running, 'root.img': edited });
    expect(await planUpgrade(context, next.dir)).toMatchObject({ method: 'whole' });
    expect(existsSync(dir)).toBe(false);
  });

  it('sends everything after a difference that the device cannot use', async () => {
    const { context, expectWritten, path } = await device();
    const next = await imageFolder('22222222', { ...running, 'root.img': edited });
    await planUpgrade(context, next.dir);
    // What the device said of its root image is no longer so.
    writeFileSync(join(dirname(path), 'root.img'), Buffer.from(running['root.img']).fill('x', 5000));
    const { status, messages } = await upgrade(context, next);
    expect(
      messages.find((text) => /cannot be used on this device: .*; send it whole; sending all/.test(text)),
    ).toBeDefined();
    expect(status.state).toBe('kept');
    expectWritten(next);
  });

  it('that is in its slot already is not sent again', async () => {
    const { context, line } = await device();
    const next = await imageFolder('22222222', { ...running, 'root.img': edited });
    for await (const { message } of upgradeDevice(context, next.dir)) if (message.startsWith('sent')) break;
    expect(await planUpgrade(context, next.dir)).toMatchObject({ method: 'written', bytes: 0 });
    line.up = 0;
    const { status, messages } = await upgrade(context, next);
    expect([status.state, messages[1]]).toEqual(['kept', 'os: nothing to send, all of it is in its slot']);
    expect(line.up).toBeLessThan(4000);
  });

  it('is refused before anything is sent when the device would not take it', async () => {
    const { context, line } = await device();
    const same = await imageFolder('11111111', running);
    await expect(upgrade(context, same)).rejects.toThrow('runs the image 11111111 already');
    expect(line.up).toBeLessThan(2000);
  });
});

describe('a device of an older version', () => {
  it('gets the whole image in one piece', async () => {
    const received: Buffer[] = [];
    const image = await imageFolder('22222222', running);
    const server = await new TestDevice([
      {
        method: 'PUT',
        pattern: '/gantry/v1/upgrade',
        handler: async ({ request, response, query }) => {
          expect([...query.keys()]).toEqual(['image']);
          for await (const chunk of request) received.push(chunk);
          sendEmpty(response, 201);
        },
      },
      // What it keeps parts of is layers.
      jsonRoute('GET', '/gantry/v1/uploads/{digest}', () => ({ offset: 0 })),
      jsonRoute('POST', '/gantry/v1/upgrade', () => ({})),
      jsonRoute('GET', '/gantry/v1/upgrade', () => ({ id: image.id, name: 'os', state: 'kept' })),
    ]).start();
    onTestFinished(() => server.remove());
    const { plan, status } = await upgrade(await hostOf(server.path, await temporaryFolder(), slow), image);
    expect(plan?.parts[0]?.why).toMatch(/older version/);
    expect(status.state).toBe('kept');
    expect(Buffer.concat(received).equals(Buffer.concat(Object.values(running)))).toBe(true);
  });
});

describe('an upgrade that is cut', () => {
  const next = () => imageFolder('22222222', { ...running, 'root.img': other });
  const going = (messages: string[]) => messages.filter((text) => text.startsWith('going on with os')).length;

  it.each(['a difference', 'everything'])('at every block sends at most one again, of %s', async (what) => {
    const hostHas = what === 'everything' ? { ...running, 'root.img': edited } : running;
    const { context, line, expectWritten } = await device({}, hostHas);
    const image = await next();
    const { bytes } = await planUpgrade(context, image.dir);
    const cuts = Math.floor(bytes / block);
    let done = 0;
    let after = block;
    line.up = 0;
    line.onUp = (up) => {
      if (done === cuts || up < after) return;
      done += 1;
      after = up + block;
      line.cut();
    };
    const { status, messages } = await upgrade(context, image);
    expect([status.state, done]).toEqual(['kept', cuts]);
    expect(going(messages)).toBeGreaterThan(0);
    expect(line.up).toBeLessThan(bytes + cuts * block + (cuts + 1) * askingBytes);
    expectWritten(image);
  });

  it('by kill -9 of the init container after each block goes on after that block', async () => {
    const sizes: number[] = [];
    const { context, expectWritten } = await device({
      killedAfterEachBlock: (data) => {
        const [file = ''] = readdirSync(join(data, 'uploads'));
        sizes.push(statSync(join(data, 'uploads', file)).size);
      },
    });
    const image = await next();
    const { bytes } = await planUpgrade(context, image.dir);
    const { messages } = await upgrade(context, image);
    expect(sizes).toEqual([
      ...Array.from({ length: Math.floor(bytes / block) }, (_, index) => (index + 1) * block),
      bytes,
    ]);
    expect(going(messages)).toBe(sizes.length);
    expectWritten(image);
  });

  it('goes on also when the host itself began anew', async () => {
    const { context, line, path, cacheDir, expectWritten } = await device();
    const image = await next();
    const { bytes } = await planUpgrade(context, image.dir);
    const abort = new AbortController();
    line.up = 0;
    line.onUp = (up) => {
      if (up > 200_000) abort.abort();
    };
    await expect(upgrade({ ...context, signal: abort.signal }, image)).rejects.toThrow('aborted');
    line.onUp = () => undefined;
    line.up = 0;
    const { messages } = await upgrade(await hostOf(path, cacheDir, slow), image);
    expect(going(messages)).toBe(1);
    expect(line.up).toBeLessThan(bytes - 200_000 + block + 8000);
    expectWritten(image);
  });
});
