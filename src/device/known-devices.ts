import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { UnknownDeviceError } from './errors.ts';
import { suggestion } from './nearest.ts';
import { formatTarget, isDeviceName, parseTarget, type Target } from './target.ts';

const fileSchema = z.strictObject({ version: z.literal(1), devices: z.record(z.string(), z.string()) });

export interface KnownDevice {
  name: string;
  target: string;
}

/** `~/.config/gantry/devices.json`, or under XDG_CONFIG_HOME. */
export function devicesFile(): string {
  return join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'gantry', 'devices.json');
}

/** By name. A damaged file throws and is named: it is the person's, we do not overwrite it. */
export async function readDevices(): Promise<KnownDevice[]> {
  const file = devicesFile();
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const { devices } = fileSchema.parse(JSON.parse(text));
    return Object.entries(devices)
      .map(([name, target]) => ({ name, target }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (cause) {
    throw new Error(`${file} cannot be read (${(cause as Error).message}): mend it or delete it`, { cause });
  }
}

/** Remembers a device under a name; the same name again changes it. Returns what was stored. */
export async function addDevice(name: string, target: string): Promise<KnownDevice> {
  if (!isDeviceName(name)) {
    throw new UnknownDeviceError(
      `${JSON.stringify(name)} cannot be a name: use letters, digits, "_", "." and "-", at most 63`,
    );
  }
  const parsed: Target = parseTarget(target);
  if (parsed.kind === 'name') {
    throw new UnknownDeviceError(`${target} is a name itself: give ssh://…, serial:…, unix:… or qemu:…`);
  }
  const added = { name, target: formatTarget(parsed) };
  await writeDevices([...(await readDevices()).filter((device) => device.name !== name), added]);
  return added;
}

/** Forgets a device. An unknown name throws with the nearest ones. */
export async function removeDevice(name: string): Promise<void> {
  const devices = await readDevices();
  const left = devices.filter((device) => device.name !== name);
  if (left.length === devices.length) {
    const names = devices.map((device) => device.name);
    throw new UnknownDeviceError(`no device is called ${JSON.stringify(name)}. ${suggestion(name, names)}`.trim());
  }
  await writeDevices(left);
}

async function writeDevices(devices: KnownDevice[]): Promise<void> {
  const file = devicesFile();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}`;
  const content = { version: 1, devices: Object.fromEntries(devices.map(({ name, target }) => [name, target])) };
  await writeFile(temporary, `${JSON.stringify(content, null, 2)}\n`);
  await rename(temporary, file);
}
