import { mkdir } from 'node:fs/promises';
import { type ComponentSpec, componentKinds } from '../../src/shared/definition/revision.ts';
import { devicePaths } from '../../src/shared/device-paths.ts';
import { journal } from '../native/journal.ts';
import { openParts, type Parts } from '../parts/open-parts.ts';
import { ping } from '../parts/ping.ts';
import type { PartSwapper } from '../parts/types.ts';
import type { NumberedRevision } from '../revisions/types.ts';
import { messageOf } from '../store/errors.ts';
import { type DeviceState, openState } from './state.ts';

/** Exit codes: done; could not be done; done, and the device has to be restarted before the init container. */
const codes = { done: 0, failed: 1, restart: 10 };

/**
 * What the plain shell asks for while no init container runs: `list` prints the revisions, anything else (a number, `previous`
 * or `factory`) puts that one in force, in the same way and with the same files as an init container does. Resolves to the
 * exit code. Prints its own errors, on standard output: standard error is the init container's log.
 */
export async function startedWithout(word: string): Promise<number> {
  try {
    const works = await ping(devicePaths.apiSocket, AbortSignal.timeout(2_000)).then(
      () => true,
      () => false,
    );
    if (works) throw new Error('the init container answers: use "gsh revisions" and "gsh rollback"');
    await mkdir(devicePaths.run, { recursive: true });
    const state = await openState();
    if (word === 'list') {
      printRevisions(state);
      return codes.done;
    }
    return await choose(state, word);
  } catch (error) {
    say(messageOf(error));
    return codes.failed;
  }
}

function printRevisions({ revisions }: DeviceState): void {
  const inForce = revisions.committed();
  for (const { number, state, createdAt, reason, changes } of revisions.list().revisions) {
    const usable = inForce.includes(number) || number === 0 ? '' : '  (was never in force)';
    const what = changes.map(({ name, to }) => `${name}: ${to ?? 'none'}`).join(', ');
    process.stdout.write(
      `${String(number).padStart(4)}  ${state.padEnd(11)}  ${createdAt}  ${reason}  ${what}${usable}\n`,
    );
  }
}

async function choose(state: DeviceState, word: string): Promise<number> {
  const { revisions } = state;
  const current = revisions.current();
  const target = find(state, word);
  if (target.number === current.number) {
    say(`revision ${target.number} is in force already`);
    return codes.done;
  }
  await expectWhole(state, target);
  const parts = await openParts({
    images: state.store,
    factory: state.factory,
    image: state.image,
    persistent: state.persistent,
    works: () => Promise.reject(new Error('no init container runs')),
    log: journal,
  });
  const restart = await applyParts(parts, current, target);
  const why = `the init container did not work; a person put revision ${target.number} in force`;
  await revisions.fallBack(target.number, why);
  say(`revision ${target.number} is in force`);
  if (restart) say('its kernel takes effect at a restart; type: reboot');
  return restart ? codes.restart : codes.done;
}

/** Throws when there is no such revision, or it has never been found healthy. */
function find({ revisions }: DeviceState, word: string): NumberedRevision {
  const number = word === 'factory' ? 0 : word === 'previous' ? revisions.previous()?.number : wholeNumber(word);
  if (number === undefined) throw new Error('there is no previous revision; "revisions" lists those there are');
  const found = revisions.get(number);
  if (!found) throw new Error(`there is no revision ${number}; "revisions" lists those there are`);
  if (number !== 0 && !revisions.committed().includes(number))
    throw new Error(`revision ${number} was never found healthy; choose another one`);
  return found;
}

function wholeNumber(word: string): number {
  if (!/^\d{1,9}$/.test(word)) throw new Error(`${JSON.stringify(word)} is no revision: a number, previous or factory`);
  return Number(word);
}

/** Nothing is changed for a revision whose images are not there, or damaged. */
async function expectWhole({ store, factory }: DeviceState, { number, revision }: NumberedRevision): Promise<void> {
  const trusted = new Set(Object.values(factory.components).map(({ image }) => image.digest));
  for (const [name, { image }] of Object.entries(revision.components)) {
    if (trusted.has(image.digest)) continue;
    await store.get(image.digest).catch((error: unknown) => {
      throw new Error(`revision ${number} is not whole: ${name} (${image.ref}): ${messageOf(error)}`);
    });
  }
}

/** Has init container, base and kernel started as the revision says. Resolves with whether that takes a restart. */
async function applyParts({ swappers }: Parts, from: NumberedRevision, to: NumberedRevision): Promise<boolean> {
  let restart = false;
  const known: Partial<Record<ComponentSpec['kind'], PartSwapper>> = swappers;
  for (const kind of componentKinds) {
    const swapper = known[kind];
    if (!swapper) continue;
    for (const [name, spec] of Object.entries(to.revision.components)) {
      const before = from.revision.components[name];
      if (spec.kind !== kind || before === undefined || before.image.digest === spec.image.digest) continue;
      const change = { name, old: spec, new: before };
      const reason = swapper.canSwap(change);
      if (reason !== undefined) throw new Error(`${name} cannot be changed: ${reason}`);
      restart = (await swapper.apply(change, 'old')) === 'reboot' || restart;
      // It has been found healthy before: it needs no trial.
      if (kind === 'init') await swapper.confirm({ name, old: before, new: spec });
    }
  }
  return restart;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
