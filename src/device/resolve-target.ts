import { type Instance, listInstances, loadInstance } from '../emulator/instance.ts';
import { monitorCommand, serialDevice } from '../emulator/qmp.ts';
import type { Endpoint } from '../transport/index.ts';
import { UnknownDeviceError } from './errors.ts';
import { readDevices } from './known-devices.ts';
import { suggestion } from './nearest.ts';
import { formatTarget, parseTarget, type Target } from './target.ts';

export interface ResolvedTarget {
  /** How the person named it, or would. */
  name: string;
  endpoint: Endpoint;
  /** An emulator on this machine: it runs, so it will answer once it has booted. */
  emulated: boolean;
}

/**
 * From `-d` (or its absence) to where the device is. Without `-d`: `GANTRY_DEVICE`, else the only device there is.
 * Throws `UnknownDeviceError` that offers the nearest names, or lists what there is.
 */
export async function resolveTarget(text: string | undefined): Promise<ResolvedTarget> {
  const name = text || process.env.GANTRY_DEVICE || (await onlyDevice());
  return { name, ...(await place(parseTarget(name))) };
}

type Place = Omit<ResolvedTarget, 'name'>;

async function place(target: Target): Promise<Place> {
  switch (target.kind) {
    case 'ssh':
    case 'serial':
    case 'unix':
      return { endpoint: target, emulated: false };
    case 'qemu':
      return { endpoint: emulatorEndpoint(findInstance(target.name), target.via), emulated: true };
    case 'name':
      return namedPlace(target.name);
  }
}

async function namedPlace(name: string): Promise<Place> {
  const known = await readDevices();
  const device = known.find((candidate) => candidate.name === name);
  if (device) {
    const target = parseTarget(device.target);
    // `addDevice` lets no name stand for a name; a file edited by hand must not send us in circles.
    if (target.kind === 'name')
      throw new UnknownDeviceError(`the device ${name} leads to ${device.target}, which is no address`);
    return place(target);
  }
  const running = listInstances();
  const instance = running.find((candidate) => candidate.name === name);
  if (instance) return { endpoint: emulatorEndpoint(instance), emulated: true };
  const names = [...known.map((candidate) => candidate.name), ...running.map((candidate) => `qemu:${candidate.name}`)];
  const hint = names.length > 0 ? suggestion(name, names) : 'Add it with: gantry device add NAME TARGET';
  throw new UnknownDeviceError(`no device is called ${JSON.stringify(name)}. ${hint}`);
}

function findInstance(name: string): Instance {
  try {
    return loadInstance(name);
  } catch (cause) {
    const near = suggestion(
      name,
      listInstances().map((instance) => instance.name),
    );
    const hint = near.startsWith('Did') ? ` ${near}` : '';
    throw new UnknownDeviceError(`${(cause as Error).message}${hint}`);
  }
}

/** Over SSH if the machine has a network card, unless the person says otherwise. */
function emulatorEndpoint(instance: Instance, via?: 'ssh' | 'serial'): Endpoint {
  if (via === 'serial' || (via === undefined && !instance.ssh)) {
    const emulatedBreak = () => monitorCommand(instance.monitor.path, 'chardev-send-break', { id: serialDevice });
    const { consoleLog } = instance;
    return { kind: 'serial', path: instance.serial.path, emulated: { consoleLog, emulatedBreak } };
  }
  if (!instance.ssh) {
    throw new UnknownDeviceError(
      `the emulator ${instance.name} has no network card: use qemu:${instance.name}?via=serial`,
    );
  }
  const { host, port, user, identityFile, knownHostsFile } = instance.ssh;
  // Our own guest on the loopback interface: the first key it shows is kept in a file of its own.
  return { kind: 'ssh', host, port, user, ssh: { identityFile, knownHostsFile, acceptNewHostKey: true } };
}

async function onlyDevice(): Promise<string> {
  const known = await readDevices();
  const running = listInstances();
  const targets = new Set(known.map((device) => device.target));
  const names = [
    ...known.map((device) => device.name),
    ...running
      .map((instance) => formatTarget({ kind: 'qemu', name: instance.name }))
      .filter((name) => !targets.has(name)),
  ];
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  if (names.length === 0) {
    throw new UnknownDeviceError(
      'which device? None is known: name one with -d ssh://USER@HOST (or serial:/dev/…, unix:/…), remember it with ' +
        '"gantry device add NAME TARGET", or start one with "gantry demo"',
    );
  }
  throw new UnknownDeviceError(`which device? Name one with -d or GANTRY_DEVICE: ${names.join(', ')}`);
}
