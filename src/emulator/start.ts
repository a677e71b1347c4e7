import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Board, boardOfImage, hostArch } from './boards.ts';
import { ensureDemoKey } from './demo-key.ts';
import { type BootImage, loadImage } from './image.ts';
import { type Instance, instanceDir, isRunning, readInstance, removeInstance, saveInstance } from './instance.ts';
import { probeKvm } from './kvm-probe.ts';
import { freePorts } from './ports.ts';
import { processIdentity } from './process-identity.ts';
import { findProgram } from './programs.ts';
import { type QemuPlan, qemuArguments } from './qemu-args.ts';
import { monitorCommand } from './qmp.ts';
import { stopEmulator } from './stop.ts';

export interface EmulatorOptions {
  imageDir: string;
  name: string;
  /** A board of the image's architecture; by default the one the image names. */
  board?: string;
  /** MiB. */
  memory: number;
  cpus: number;
  /** Raw file from `ensureDataDisk`, or from `ensureWholeDisk` for boards that boot from a disk image. */
  dataDisk?: string;
  /** A file that gets every write and flush of the data disk, in dm-log-writes' format: to replay power cuts. */
  dataWriteLog?: string;
  /** No network card at all: the device can be reached by its serial line only. */
  serialOnly: boolean;
  /** TCP ports of the guest to forward from 127.0.0.1; `host` absent: a free one. SSH's is always there. */
  ports: readonly { host?: number; guest: number }[];
  /** The machine outlives this process. Else it ends with it, however that ends. */
  detach: boolean;
  /** Appended to the image's kernel command line. */
  extraCmdline?: string;
  /** Private key for the device's SSH; by default the demo's. */
  identityFile?: string;
  /** Called when everything is connected and the guest has not run yet: what listens now misses nothing. */
  beforeBoot?: (instance: Instance) => Promise<void> | void;
}

export interface Emulator {
  instance: Instance;
  acceleration: QemuPlan['acceleration'];
  /** Resolves when QEMU has ended, whoever ended it. */
  exited: Promise<void>;
  /** Ends it at once and forgets it. */
  stop(): Promise<void>;
}

/** The guest's port of SSH. */
const sshPort = 22;
/** A Unix socket's address holds 107 bytes and a zero byte. */
const longestSocketPath = 107;

/**
 * Boots an image in QEMU and returns as soon as the guest runs. Throws when the image or QEMU is missing, the name is
 * taken, a port is taken, or QEMU refuses to start (with QEMU's own words); nothing is left running then.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  const image = loadImage(options.imageDir);
  const board = boardOfImage(image, options.board);
  checkFits(options, board);
  const program = findProgram(board.program, board.debianPackage);
  const acceleration = await chooseAcceleration(board);
  for (let attempt = 1; ; attempt++) {
    const forwards = options.serialOnly || !board.virtual ? undefined : await assignPorts(options.ports);
    try {
      return await launch({ options, image, board, program, acceleration, forwards });
    } catch (error) {
      // A port that was free a moment ago can be taken by another process; the ones asked for by number are its own.
      if (attempt === 3 || !/Could not set up host forwarding rule/.test((error as Error).message)) throw error;
    }
  }
}

/** What a board cannot do, said before anything is made. */
function checkFits({ ports, extraCmdline, dataWriteLog }: EmulatorOptions, board: Board): void {
  if (!board.virtual && ports.length > 0) {
    throw new Error(`The board ${board.name} has no network card here, so no port can be forwarded to it.`);
  }
  if (board.boots === 'disk-by-u-boot' && extraCmdline !== undefined) {
    throw new Error(`On ${board.name} the kernel's command line is on the disk: put the words into the OS definition.`);
  }
  if (board.boots !== 'root-image' && dataWriteLog !== undefined) {
    throw new Error(`On ${board.name} the data is on the disk with the rest: its writes cannot be recorded alone.`);
  }
}

/** KVM where a guest really runs, else emulation; on one thread where the host's memory order is too weak for x86. */
async function chooseAcceleration(board: Board): Promise<QemuPlan['acceleration']> {
  if (board.virtual && (await probeKvm(board))) return 'kvm';
  return board.arch === 'amd64' && hostArch() === 'arm64' ? 'tcg-single' : 'tcg';
}

async function assignPorts(wanted: EmulatorOptions['ports']): Promise<{ host: number; guest: number }[]> {
  const all = wanted.some(({ guest }) => guest === sshPort) ? wanted : [{ guest: sshPort }, ...wanted];
  const free = await freePorts(all.length);
  return all.map((forward, index) => ({ guest: forward.guest, host: forward.host ?? free[index] ?? 0 }));
}

interface Launch {
  options: EmulatorOptions;
  image: BootImage;
  board: Board;
  program: string;
  acceleration: QemuPlan['acceleration'];
  forwards: { host: number; guest: number }[] | undefined;
}

async function launch({ options, image, board, program, acceleration, forwards }: Launch): Promise<Emulator> {
  const dir = claimDir(options.name);
  const sockets = socketDir(dir);
  const paths = { serialSocket: join(sockets, 'serial.sock'), monitorSocket: join(sockets, 'monitor.sock') };
  const consoleLog = join(dir, 'console.log');
  const knownHostsFile = join(dir, 'known_hosts');
  const { name, cpus, memory, dataDisk, dataWriteLog } = options;
  if (dataWriteLog !== undefined) writeFileSync(dataWriteLog, '', { mode: 0o600 });
  const cmdline = commandLine(image, board, acceleration, options.extraCmdline);
  const plan = {
    board,
    name,
    imageDir: image.dir,
    cmdline,
    memory,
    cpus,
    acceleration,
    dataDisk,
    dataWriteLog,
    forwards,
    consoleLog,
  };
  // -S: the guest waits for `cont`, so that nothing it prints can be missed.
  const { child, errors } = spawnQemu(program, ['-S', ...qemuArguments({ ...plan, ...paths })], dir, options.detach);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const cleanUp = () => {
    rmSync(dir, { recursive: true, force: true });
    if (sockets !== dir) rmSync(sockets, { recursive: true, force: true });
  };
  try {
    await untilReady(child, paths.monitorSocket);
    const pid = child.pid;
    const identity = pid === undefined ? undefined : processIdentity(pid);
    if (pid === undefined || identity === undefined) throw new Error('QEMU ended at once.');
    const instance: Instance = {
      name,
      pid,
      process: identity,
      arch: image.arch,
      board: board.name,
      startedAt: new Date().toISOString(),
      imageDir: image.dir,
      serial: { path: paths.serialSocket },
      monitor: { path: paths.monitorSocket },
      consoleLog,
      ports: Object.fromEntries((forwards ?? []).map(({ host, guest }) => [String(guest), host])),
    };
    if (dataDisk !== undefined) instance.dataDisk = dataDisk;
    const ssh = forwards?.find(({ guest }) => guest === sshPort);
    if (ssh !== undefined) {
      const identityFile = options.identityFile ?? ensureDemoKey().identityFile;
      writeFileSync(knownHostsFile, '', { mode: 0o600 });
      instance.ssh = { host: '127.0.0.1', port: ssh.host, user: 'root', identityFile, knownHostsFile };
    }
    saveInstance(instance);
    await options.beforeBoot?.(instance);
    await monitorCommand(paths.monitorSocket, 'cont');
    return { instance, acceleration, exited, stop: () => stopEmulator(instance) };
  } catch (cause) {
    child.kill('SIGKILL');
    if (child.pid !== undefined) await exited;
    const said = readFileSync(errors, 'utf8').trim();
    cleanUp();
    const reason = said === '' ? (cause as Error).message : said;
    throw new Error(`The emulator "${name}" could not be started: ${reason}`, { cause });
  }
}

/** The folder of a new instance. An ended one of this name is forgotten; a running one is an error. */
function claimDir(name: string): string {
  const dir = instanceDir(name);
  const previous = readInstance(name);
  if (previous !== undefined && isRunning(previous)) {
    throw new Error(
      `An emulator "${name}" already runs. Stop it with: gantry run --stop ${name}, or take another --name.`,
    );
  }
  removeInstance(name);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}

/** Where the sockets go: beside the rest, or in a private folder with a short path. */
function socketDir(dir: string): string {
  if (Buffer.byteLength(join(dir, 'monitor.sock')) <= longestSocketPath) return dir;
  return mkdtempSync(join(tmpdir(), 'gantry-'));
}

function commandLine(
  image: BootImage,
  board: Board,
  acceleration: QemuPlan['acceleration'],
  extra: string | undefined,
): string {
  const emulated = acceleration === 'kvm' ? undefined : board.emulatedCpuCmdline;
  const console = /(^| )console=/.test(image.cmdline) ? '' : `console=${board.console}`;
  return [console, image.cmdline.trim(), board.emulatorCmdline, emulated, extra]
    .filter((part) => part !== undefined && part !== '')
    .join(' ');
}

/**
 * Starts QEMU in a session of its own, so that the terminal's signals reach only Gantry. Unless detached, the kernel
 * ends it when this process is gone, however it went (setpriv is part of Debian's essential util-linux).
 */
function spawnQemu(
  program: string,
  args: string[],
  dir: string,
  detach: boolean,
): { child: ChildProcess; errors: string } {
  const errors = join(dir, 'qemu.log');
  const output = openSync(errors, 'w', 0o600);
  const stdio: ['ignore', number, number] = ['ignore', output, output];
  const child = detach
    ? spawn(program, args, { stdio, detached: true, cwd: '/' })
    : spawn(findProgram('setpriv', 'util-linux'), ['--pdeathsig', 'KILL', program, ...args], {
        stdio,
        detached: true,
        cwd: '/',
      });
  closeSync(output);
  if (detach) child.unref();
  return { child, errors };
}

/** Resolves when QEMU has taken every argument and answers. Rejects when it ends before, or needs more than 20 s. */
async function untilReady(child: ChildProcess, monitorSocket: string): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const end = performance.now() + 20_000;
  while (performance.now() < end) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('QEMU ended at once.');
    try {
      return await monitorCommand(monitorSocket, 'query-status');
    } catch {
      await delay(10); // It does not listen yet, or has just ended.
    }
  }
  throw new Error('QEMU did not start within 20 s.');
}
