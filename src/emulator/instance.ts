import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { stateDir } from './paths.ts';
import { processIdentity } from './process-identity.ts';

/** Names of emulators: also folder names, so no slash and no leading dot. */
export const instanceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_.-]{0,39}$/, 'not an emulator name (a-z, 0-9, "_", "." and "-", at most 40)');

const port = z.number().int().min(1).max(65535);

/** `instance.json`: a device that `gantry run` started in QEMU, and how to reach it. Paths are absolute. */
export const instanceSchema = z.strictObject({
  name: instanceName,
  /** QEMU's process on this host. */
  pid: z.number().int().positive(),
  /** `processIdentity` of that process: tells it from a later one with the same pid. */
  process: z.string(),
  arch: z.enum(['amd64', 'arm64']),
  board: z.string(),
  /** RFC 3339, UTC. */
  startedAt: z.iso.datetime(),
  imageDir: z.string(),
  /** Absent when the machine has no network card. */
  ssh: z
    .strictObject({
      host: z.string(),
      port,
      user: z.string(),
      identityFile: z.string(),
      /** Empty at first: the key seen at the first connection is taken, it is our own guest on the loopback interface. */
      knownHostsFile: z.string(),
    })
    .optional(),
  /** Unix socket that is the other end of the machine's serial line; one client at a time. */
  serial: z.strictObject({ path: z.string() }),
  /** Unix socket of QEMU's machine protocol. */
  monitor: z.strictObject({ path: z.string() }),
  /** What the console printed since the start. */
  consoleLog: z.string(),
  /** Raw ext4 file that outlives the instance. */
  dataDisk: z.string().optional(),
  /** Forwarded TCP ports: guest port, as text, to the host's port on 127.0.0.1. */
  ports: z.record(z.string().regex(/^\d+$/), port),
});
export type Instance = z.infer<typeof instanceSchema>;

/** All emulators' folders. */
export function instancesDir(): string {
  return join(stateDir(), 'qemu');
}

/** The folder of one emulator. Throws on a name that is none. */
export function instanceDir(name: string): string {
  const parsed = instanceName.safeParse(name);
  if (!parsed.success) throw new Error(`"${name}" is ${parsed.error.issues[0]?.message ?? 'not an emulator name'}`);
  return join(instancesDir(), parsed.data);
}

/** Whether the very process that the file speaks of still runs. */
export function isRunning(instance: Instance): boolean {
  return processIdentity(instance.pid) === instance.process;
}

/** Reads `instance.json`. `undefined` when there is no such instance; a damaged file throws and says which. */
export function readInstance(name: string): Instance | undefined {
  const file = join(instanceDir(name), 'instance.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return instanceSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${file} cannot be read: was it written by another version? Delete it if nothing runs.`, { cause });
  }
}

/**
 * A running emulator by name. An unknown name, or one whose QEMU has ended, throws an error that lists what runs.
 */
export function loadInstance(name: string): Instance {
  const instance = readInstance(name);
  if (instance !== undefined && isRunning(instance)) return instance;
  const running = listInstances().map((other) => other.name);
  const known = running.length > 0 ? `Running: ${running.join(', ')}.` : 'None is running.';
  const what = instance === undefined ? 'There is no emulator' : 'No longer running: the emulator';
  throw new Error(`${what} "${name}". ${known} Start one with: gantry run DIR --name ${name}`);
}

/** The running emulators, by name. Files of ended ones, and unreadable ones, are passed over. */
export function listInstances(): Instance[] {
  let names: string[];
  try {
    names = readdirSync(instancesDir()).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names.flatMap((name) => {
    try {
      const instance = readInstance(name);
      return instance !== undefined && isRunning(instance) ? [instance] : [];
    } catch {
      return [];
    }
  });
}

/** Writes `instance.json`, whole or not at all. */
export function saveInstance(instance: Instance): void {
  const dir = instanceDir(instance.name);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const temporary = join(dir, `.instance.json.${process.pid}`);
  writeFileSync(temporary, `${JSON.stringify(instanceSchema.parse(instance), null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, join(dir, 'instance.json'));
}

/** Forgets an ended emulator. Its data disk lives elsewhere and stays. A running one throws. */
export function removeInstance(name: string): void {
  const instance = readInstance(name);
  if (instance !== undefined) {
    if (isRunning(instance)) throw new Error(`The emulator "${name}" runs (pid ${instance.pid}): stop it first.`);
    for (const socket of [instance.serial.path, instance.monitor.path]) {
      // Sockets stand in a folder of their own when the state directory's path is too long for a socket's address.
      if (dirname(socket) === instanceDir(name)) continue;
      rmSync(socket, { force: true });
      removeIfEmpty(dirname(socket));
    }
  }
  rmSync(instanceDir(name), { recursive: true, force: true });
}

function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT') throw error;
  }
}
