import { ApiError } from '../../src/device/errors.ts';
import type { SwapEvent } from '../../src/shared/api/types.ts';
import { until } from '../e2e/support/until.ts';
import { onDevice } from '../support/on-device.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** What an action did, for the record, and which images of the web server it may have left. */
export interface Done {
  text: string;
  images: readonly string[];
}

type Action = (world: World, random: Random, image: string) => Promise<Done>;

const services = ['web', 'mosquitto', 'sshd', 'dhcp'] as const;
const good = ['1', '2'] as const;

/** How a swap ended: its last event, or why the device did not begin it. */
async function follow(events: AsyncIterable<SwapEvent>): Promise<SwapEvent | ApiError> {
  let last: SwapEvent | undefined;
  try {
    for await (const event of events) last = event;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  if (last === undefined) throw new Error('the swap had no events');
  return last;
}

const swap: Action = async ({ device, machine }, random, image) => {
  // Now and then what runs already: then nothing may happen.
  const other = good.find((tag) => `web:${tag}` !== image) ?? '1';
  const tag = random.next() < 0.85 ? other : random.pick(good);
  const end = await follow(device.swap([{ name: 'web', image: machine.web(tag) }]));
  if (end instanceof ApiError) throw new Error(`the swap to web:${tag} was refused: ${end.message}`);
  if (end.stage !== 'done') throw new Error(`the swap to web:${tag} ended with ${end.stage}: ${end.message}`);
  return { text: `swap to web:${tag}: ${end.message}`, images: [`web:${tag}`] };
};

const swapToBroken: Action = async ({ device, machine }, random, image) => {
  const retry = random.next() < 0.5;
  const end = await follow(device.swap([{ name: 'web', image: machine.web('broken') }], { retry }));
  if (end instanceof ApiError && (retry || end.status !== 409)) throw end;
  if (!(end instanceof ApiError) && end.stage !== 'failed') throw new Error(`a broken image was taken: ${end.message}`);
  return { text: `swap to web:broken${retry ? ', once more' : ''}: ${end.message}`, images: [image] };
};

const rollback: Action = async ({ device, inForce }, _random, image) => {
  const end = await follow(device.rollback({ name: 'web' }));
  if (end instanceof ApiError) {
    // Right as long as nothing else was ever in force.
    if (end.status !== 409 || inForce.size > 1) throw end;
    return { text: `rollback: ${end.message}`, images: [image] };
  }
  if (end.stage !== 'done') throw new Error(`the rollback ended with ${end.stage}: ${end.message}`);
  const now = (await device.revisions()).current;
  const ref = (await device.revision(now)).components.web?.image.ref;
  if (ref === undefined || ref === image) throw new Error(`the rollback led from ${image} to ${ref}`);
  return { text: `rollback: ${end.message}`, images: [ref] };
};

const restart: Action = async (world, random, image) => {
  const name = random.pick(services);
  const { pid } = await world.component(name);
  await tolerant(name, () => world.device.restart(name));
  await until(`a new process of ${name}`, 60, async () => (await world.component(name)).pid !== pid);
  return { text: `restart ${name}`, images: [image] };
};

const stopAndStart: Action = async (world, random, image) => {
  const name = random.pick(services.filter((service) => service !== 'sshd' && service !== 'dhcp'));
  await world.device.stop(name);
  const { state } = await world.component(name);
  if (state !== 'exited') throw new Error(`${name} was stopped and is ${state}`);
  await world.device.start(name);
  return { text: `stop and start ${name}`, images: [image] };
};

const killContainer: Action = async (world, random, image) => {
  const name = random.pick(services);
  const { pid } = await world.component(name);
  await tolerant(name, () => onDevice(world.device, `kill -9 ${pid}`));
  await until(`${name} to be started again`, 120, async () => (await world.component(name)).pid !== pid);
  return { text: `kill -9 of ${name}, process ${pid}`, images: [image] };
};

/** Without its conmon a container cannot write its log: it is ended and started again. */
const killConmon: Action = async (world, random, image) => {
  const name = random.pick(services);
  const { pid } = await world.component(name);
  await tolerant(name, () => onDevice(world.device, `kill -9 $(sed -n 's/^PPid:\\t//p' /proc/${pid}/status)`));
  await until(`${name} to be started again`, 120, async () => (await world.component(name)).pid !== pid);
  return { text: `kill -9 of the conmon of ${name}`, images: [image] };
};

/** Also of the way in and of the network: the device goes on by itself, and whoever follows finds it again. */
const reconfigure: Action = async (world, random, image) => {
  const name = random.pick(services.filter((service) => service !== 'web'));
  const value = String(Math.round(random.next() * 1e9));
  const env = [{ name: 'SOAK', value }];
  const end = await follow(world.device.swap([{ name, config: { env } }]));
  if (end instanceof ApiError || end.stage !== 'done') throw new Error(`${name} could not be changed: ${end.message}`);
  const now = (await world.device.revision((await world.device.revisions()).current)).components[name];
  if (!now?.config.env?.includes(`SOAK=${value}`))
    throw new Error(`${name} was to have SOAK=${value} in its environment`);
  return { text: `change ${name}: ${end.message}`, images: [image] };
};

const killInit: Action = async (world, _random, image) => {
  const before = await world.device.components();
  await killInitContainer(world);
  await until('the new init container to know its containers', 60, async () => {
    const after = await world.device.components();
    for (const { name, pid } of before) {
      const now = after.find((component) => component.name === name)?.pid;
      if (name !== 'init' && now !== pid) throw new Error(`${name} was process ${pid} and is ${now}`);
    }
    return true;
  });
  return { text: 'kill -9 of the init container', images: [image] };
};

const swapAndKillInit: Action = (world, random, image) =>
  interrupted(world, random, image, 'kill -9 of the init container', () => killInitContainer(world));

const swapAndCutPower: Action = (world, random, image) =>
  interrupted(world, random, image, 'a power cut', () => world.cutPower());

/** A swap with something terrible in the middle of it: what its last event promised holds, else it is the old or the new. */
async function interrupted(world: World, random: Random, image: string, by: string, strike: () => Promise<void>) {
  const tag = random.pick([...good, 'broken']);
  const wanted = tag === 'broken' ? image : `web:${tag}`;
  const after = Math.round(random.next() * 6000);
  const swapping = follow(world.device.swap([{ name: 'web', image: world.machine.web(tag) }], { retry: true })).catch(
    (error: Error) => error,
  );
  await world.pause(after);
  await strike();
  const end = await swapping;
  const text = `swap to web:${tag}, ${by} after ${after} ms: ${end.message}`;
  if (end instanceof Error) return { text, images: [image, wanted] };
  if (end.stage === 'done' && tag === 'broken') throw new Error(`a broken image was taken: ${text}`);
  return { text, images: end.stage === 'done' ? [wanted] : end.stage === 'failed' ? [image] : [image, wanted] };
}

const reboot: Action = async (world, _random, image) => {
  const { bootId } = await world.device.info();
  world.afterBoot = undefined;
  await tolerant('sshd', () => world.device.power('reboot'));
  await until('the device to boot again', 180, async () => (await world.device.info()).bootId !== bootId);
  return { text: 'reboot', images: [image] };
};

const cutPower: Action = async (world, _random, image) => {
  await world.cutPower();
  return { text: 'power cut', images: [image] };
};

const collectGarbage: Action = async ({ device }, _random, image) => {
  const preview = await device.collectGarbage(true);
  const { items, bytes } = await device.collectGarbage(false);
  if (items.length !== preview.items.length || bytes !== preview.bytes) {
    throw new Error(`${preview.items.length} things with ${preview.bytes} bytes were to go, and ${items.length} went`);
  }
  const left = await device.collectGarbage(true);
  if (left.items.length > 0) throw new Error(`${left.items.length} things are left after garbage was collected`);
  return { text: `collect garbage: ${items.length} things, ${bytes} bytes`, images: [image] };
};

async function killInitContainer(world: World): Promise<void> {
  const { pid, startedAt } = (await world.device.info()).init;
  // Its end is also the end of the session that asks for it.
  await onDevice(world.device, `kill -9 ${pid}`).catch(() => undefined);
  await until(
    'the init container to be back',
    60,
    async () => (await world.device.info()).init.startedAt !== startedAt,
  );
}

/** Who ends the way in does not hear the answer. */
async function tolerant(name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (name !== 'sshd' && name !== 'dhcp') throw error;
  }
}

/** By name, with how often they are wanted. */
export const actions: readonly (readonly [{ name: string; run: Action }, number])[] = [
  [{ name: 'swap', run: swap }, 25],
  [{ name: 'swap to a broken image', run: swapToBroken }, 8],
  [{ name: 'rollback', run: rollback }, 10],
  [{ name: 'restart', run: restart }, 10],
  [{ name: 'stop and start', run: stopAndStart }, 8],
  [{ name: 'kill a container', run: killContainer }, 10],
  [{ name: 'kill a conmon', run: killConmon }, 4],
  [{ name: 'change a configuration', run: reconfigure }, 8],
  [{ name: 'kill the init container', run: killInit }, 10],
  [{ name: 'swap, kill the init container', run: swapAndKillInit }, 8],
  [{ name: 'collect garbage', run: collectGarbage }, 3],
  [{ name: 'reboot', run: reboot }, 4],
  [{ name: 'power cut', run: cutPower }, 4],
  [{ name: 'swap, power cut', run: swapAndCutPower }, 5],
];
