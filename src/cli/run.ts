import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkoutRoot } from '../../scripts/checkout.ts';
import { gantryCommand, howToConnect } from '../emulator/describe.ts';
import type { EmulatorOptions, Instance } from '../emulator/index.ts';
import { catchSignals } from '../emulator/signals.ts';
import { parseSize } from '../emulator/size.ts';
import { formatBytes } from '../shared/text/format.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { note, printJson, table } from './output.ts';

interface RunOptions {
  name?: string;
  detach?: boolean;
  serialOnly?: boolean;
  board?: string;
  data?: number;
  memory: number;
  cpus: number;
  publish: EmulatorOptions['ports'];
  identity?: string;
  append?: string;
  stop?: string;
  list?: boolean;
  json?: boolean;
}

/** How long a device with a data disk has to answer, and then to shut down, before it is switched off. */
const shutdownMs = 10_000;

export function register(program: Command): void {
  program
    .command('run')
    .summary('boot an image in QEMU')
    .description(
      'Boots an image that `gantry build` wrote. Shows its console, and Ctrl-] ends it; with --detach it runs on by itself.',
    )
    .argument('[dir]', 'the image’s folder')
    .option('--name <name>', 'name of the emulator (default: the image’s); then it is the device qemu:NAME')
    .option('--detach', 'return as soon as it boots')
    .option('--serial-only', 'no network card: reached by its serial line alone')
    .option(
      '--board <board>',
      'pc (amd64), virt, virt-uboot or raspi3b (arm64); by default the one that the image is for',
    )
    .option(
      '--data <size>',
      'keep data: on a data disk of this size, or on a copy of the image’s disk, made when the name has none yet',
      size,
    )
    .addOption(new Option('--memory <size>', 'memory of the device').argParser(size).default(2 ** 30, '1G'))
    .option('--cpus <count>', 'processors of the device', count, Math.min(2, availableParallelism()))
    .option('-p, --publish <host:guest>', 'forward a TCP port from 127.0.0.1; GUEST alone takes a free one', port, [])
    .option('--identity <file>', 'private key for SSH (default: the demo’s)')
    .option('--append <words>', 'more words for the kernel’s command line')
    .option('--stop <name>', 'stop a running emulator instead')
    .option('--list', 'list the running emulators instead')
    .option('--json', 'with --list and --detach: JSON on standard output')
    .action(run);
}

async function run(dir: string | undefined, options: RunOptions, command: Command): Promise<void> {
  if (options.list) return list(options.json ?? false);
  if (options.stop !== undefined) return stop(options.stop);
  if (dir === undefined) command.error('error: name the image’s folder, or give --list or --stop NAME');
  else if (options.serialOnly && options.publish.length > 0) {
    command.error('error: --serial-only has no network card to forward ports to');
  } else await boot(dir, options);
}

async function boot(dir: string, options: RunOptions): Promise<void> {
  const { boardOfImage, ensureDataDisk, ensureWholeDisk, loadImage, startEmulator } = await import(
    '../emulator/index.ts'
  );
  const name =
    options.name ??
    loadImage(dir)
      .name.toLowerCase()
      .replace(/[^a-z0-9_.-]/g, '-')
      .slice(0, 40);
  const emulatorOptions: EmulatorOptions = {
    imageDir: dir,
    name,
    board: options.board,
    memory: Math.ceil(options.memory / 2 ** 20),
    cpus: options.cpus,
    serialOnly: options.serialOnly ?? false,
    ports: options.publish,
    detach: options.detach ?? false,
    extraCmdline: options.append,
    identityFile: options.identity === undefined ? undefined : resolve(options.identity),
  };
  if (options.data !== undefined) {
    const image = loadImage(dir);
    const { boots } = boardOfImage(image, options.board);
    const disk =
      boots === 'root-image'
        ? await ensureDataDisk(name, options.data)
        : await ensureWholeDisk(name, image, options.data);
    const what = disk.made ? 'New data disk' : 'Data disk of earlier runs';
    note(`${what}: ${disk.path} (${formatBytes(disk.bytes)}). It stays until you delete it.`);
    emulatorOptions.dataDisk = disk.path;
  }
  if (options.detach) {
    const { instance } = await startEmulator(emulatorOptions);
    if (options.json) printJson(instance);
    note(`Booting "${name}".\n${howToConnect(instance, gantry())}`);
    return;
  }
  await bootAttached(emulatorOptions);
}

/** The console in this terminal. The emulator ends with this command, in whichever way that ends. */
async function bootAttached(options: EmulatorOptions): Promise<void> {
  const { startEmulator } = await import('../emulator/index.ts');
  const { attachConsole, openSerial } = await import('../emulator/attach-console.ts');
  const signals = catchSignals();
  try {
    let attached: Promise<void> | undefined;
    const beforeBoot = async (instance: Instance) => {
      note(`Booting "${instance.name}". Ctrl-] switches it off. From another terminal:`);
      note(howToConnect(instance, gantry()));
      const line = await openSerial(instance.serial.path);
      attached = attachConsole(line, { input: process.stdin, output: process.stdout }, signals.caught);
    };
    const emulator = await startEmulator({ ...options, beforeBoot });
    await attached;
    await emulator.stop();
  } finally {
    signals.release();
  }
  if (signals.caught.aborted) throw new ExitError(exitCodes.interrupted);
}

async function list(json: boolean): Promise<void> {
  const { listInstances } = await import('../emulator/index.ts');
  const instances = listInstances();
  if (json) printJson(instances);
  else if (instances.length === 0) note('No emulator is running.');
  else {
    const rows = instances.map(({ name, arch, board, startedAt, imageDir }) => [
      name,
      arch,
      board,
      startedAt,
      imageDir,
    ]);
    console.log(table(['NAME', 'ARCH', 'BOARD', 'STARTED', 'IMAGE'], rows));
  }
}

async function stop(name: string): Promise<void> {
  const { loadInstance, stopEmulator } = await import('../emulator/index.ts');
  const instance = loadInstance(name);
  // Without a data disk there is nothing to save.
  if (instance.dataDisk !== undefined) await shutDown(instance);
  await stopEmulator(instance);
  note(`Stopped "${name}".`);
}

/** Has the device shut itself down. One that does not, within a time, is not an error: it is going to be switched off. */
async function shutDown(instance: Instance): Promise<void> {
  const { connectDevice } = await import('../device/connect.ts');
  const { untilEnded } = await import('../emulator/index.ts');
  const asked = connectDevice(`qemu:${instance.name}`).then(async (device) => {
    await device.power('poweroff');
    await device.close();
  });
  const late = setTimeout(shutdownMs).then(() => {
    throw new Error('it does not answer');
  });
  late.catch(() => undefined);
  try {
    await Promise.race([asked, late]);
    if (!(await untilEnded(instance, shutdownMs)))
      note(`"${instance.name}" does not come to an end: switching it off.`);
  } catch (error) {
    asked.catch(() => undefined);
    note(`"${instance.name}" could not be told to shut down (${(error as Error).message}): switching it off.`);
  }
}

/** How a person calls us from here. */
function gantry(): string {
  return gantryCommand(join(checkoutRoot(), 'bin/gantry.mjs'));
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Give a size such as 512M or 2G.');
  return bytes;
}

function count(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('Give a number from 1.');
  return Number(text);
}

function port(text: string, previous: EmulatorOptions['ports']): EmulatorOptions['ports'] {
  const [guest, host] = text.split(':').reverse();
  const isPort = (part: string | undefined) => /^[1-9]\d{0,4}$/.test(part ?? '') && Number(part) <= 65535;
  if (!isPort(guest) || (host !== undefined && !isPort(host)) || text.split(':').length > 2) {
    throw new InvalidArgumentError('Give HOST:GUEST, such as 8080:80, or GUEST alone.');
  }
  return [...previous, host === undefined ? { guest: Number(guest) } : { host: Number(host), guest: Number(guest) }];
}
