import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { resolveTarget } from '../device/resolve-target.ts';
import { sanitizeName } from '../shared/text/sanitize.ts';
import { terminalSize } from '../shared/text/terminal-size.ts';
import { resetModes } from '../tui/terminal/modes.ts';
import { CastWriter, readCast } from './console/cast.ts';
import { parsePrefix } from './console/keys.ts';
import { addDeviceOptions, deviceOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { addJsonOption, note, printJson, table } from './output.ts';

interface ConsoleWords {
  plain?: boolean;
  prefix: string;
  log?: string;
  logTimestamps?: boolean;
  timestamps?: boolean;
  record?: string;
  replay?: string;
  speed: number;
  until?: string;
  timeout?: number;
  list?: boolean;
  json?: boolean;
}

const leaveSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How long the device may take to answer before keys go to the bare line. A person may be about to stop its boot. */
const trialMs = { terminal: 1500, pipe: 5000 } as const;

export function register(program: Command): void {
  const command = program
    .command('console')
    .summary('the serial console of a device')
    .description(
      'Joins this terminal to the console of a device on a serial line: what boot loader and kernel print, keys to the bare line, ' +
        'and once the device answers a shell of its own, with everything else of gantry beside it on the same line. Survives ' +
        'reboots and unplugged adapters. ctrl-t q leaves, ctrl-t ? lists what else there is: break, SysRq, DTR and RTS, logging, … ' +
        'With a pipe as input: sends it and ends when the device has answered.',
    )
    .option('--plain', 'the bare line only: for systems without Gantry; nobody else can use the link meanwhile')
    .option('--prefix <key>', 'the key before a command to the console: ctrl-a, ctrl-], … or none', 'ctrl-t')
    .option('--log <file>', 'append what comes to a file')
    .option('--log-timestamps', 'with the time before each line of that file')
    .option('--timestamps', 'the time before each line on the screen')
    .option('--record <file>', 'record to a new file, in the format of asciinema (asciicast v2)')
    .option('--replay <file>', 'show a recording; needs no device')
    .option('--speed <n>', 'how fast to replay; 0 waits for nothing', parseSpeed, 1)
    .option('--until <text>', 'end when the device has shown this text; for scripts')
    .option('--timeout <seconds>', 'end after so long; with --until that is a failure', parseSeconds)
    .option('--list', 'list the serial lines of this machine, their drivers, and who has them');
  addJsonOption(addDeviceOptions(command)).action(async (options: ConsoleWords) => {
    if (options.list) await listLines(options.json ?? false);
    else if (options.replay !== undefined) await replay(options.replay, options.speed);
    else process.exitCode = await attach(deviceOptions(command).device, options);
  });
}

async function attach(device: string | undefined, options: ConsoleWords): Promise<number> {
  const prefix = prefixOf(options.prefix);
  const { name, endpoint } = await resolveTarget(device);
  if (endpoint.kind !== 'serial') {
    const other = name.startsWith('qemu:') ? `${name.split('?')[0]}?via=serial` : 'serial:/dev/TTY';
    throw new ExitError(
      exitCodes.usage,
      `${name} is not reached over a serial line: give -d ${other}, or use gantry sh`,
    );
  }
  const { SerialConsole } = await import('../transport/serial/console.ts');
  const { takeLine } = await import('../transport/serial/take-line.ts');
  const { parseSerialTarget, serialTarget } = await import('../transport/serial/target.ts');
  const { AttachedConsole } = await import('./console/attached.ts');
  const { Shown } = await import('./console/shown.ts');
  const target = parseSerialTarget(serialTarget(endpoint));
  const isEmulated = endpoint.emulated !== undefined;
  const console = new SerialConsole({
    take: () => takeLine(target, endpoint.emulated),
    mode: options.plain ? 'bare' : 'auto',
    size: terminalSize(),
    trialMs: process.stdin.isTTY ? trialMs.terminal : trialMs.pipe,
  });
  const left = new AbortController();
  const leave = (): void => left.abort();
  for (const signal of leaveSignals) process.on(signal, leave);
  const cast = options.record === undefined ? undefined : new CastWriter(options.record, terminalSize(), name);
  const shown = new Shown({
    isRaw: process.stdin.isTTY === true,
    stamps: options.timestamps ?? false,
    logPath: options.log,
    logStamps: options.logTimestamps ?? false,
    cast,
  });
  try {
    return await new AttachedConsole(console, {
      title: `console of ${name}`,
      prefix,
      baud: isEmulated ? undefined : target.baud,
      shown,
      cast,
      until: options.until,
      timeoutSeconds: options.timeout,
      signal: left.signal,
    }).run();
  } finally {
    for (const signal of leaveSignals) process.off(signal, leave);
    shown.close();
    if (process.stdout.isTTY) process.stdout.write(`${resetModes}\r\n`);
  }
}

/** Shows a recording as it was, with its pauses. */
async function replay(path: string, speed: number): Promise<void> {
  const startedAt = performance.now();
  const left = new AbortController();
  const leave = (): void => left.abort(new ExitError(exitCodes.interrupted));
  for (const signal of leaveSignals) process.on(signal, leave);
  try {
    for await (const { at, text } of readCast(path)) {
      const wait = speed === 0 ? 0 : (at * 1000) / speed - (performance.now() - startedAt);
      if (wait > 0) await delay(wait, undefined, { signal: left.signal }).catch(() => left.signal.throwIfAborted());
      left.signal.throwIfAborted();
      if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
  } finally {
    for (const signal of leaveSignals) process.off(signal, leave);
    if (process.stdout.isTTY) process.stdout.write(`${resetModes}\r\n`);
  }
}

async function listLines(json: boolean): Promise<void> {
  const { listPorts } = await import('../transport/serial/ports.ts');
  const ports = listPorts();
  if (json) return printJson(ports);
  if (ports.length === 0) return note('this machine has no serial line: is the adapter plugged in?');
  const rows = ports.map(({ path, device, driver, holder }) => [
    `serial:${sanitizeName(path)}`,
    device,
    driver || '-',
    holder ? `process ${holder.pid} (${sanitizeName(holder.program)})` : '-',
  ]);
  process.stdout.write(`${table(['LINE', 'PORT', 'DRIVER', 'IN USE BY'], rows)}\n`);
}

function prefixOf(text: string): number | undefined {
  try {
    return parsePrefix(text);
  } catch (error) {
    throw new ExitError(exitCodes.usage, (error as Error).message);
  }
}

function parseSpeed(text: string): number {
  const speed = Number(text);
  if (!(speed >= 0 && speed <= 1000)) throw new InvalidArgumentError('a number from 0 to 1000.');
  return speed;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= 86_400)) throw new InvalidArgumentError('seconds, more than 0 and at most a day.');
  return seconds;
}
