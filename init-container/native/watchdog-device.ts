import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode } from '../store/errors.ts';

/** Bit of linux/watchdog.h: the letter V, written last, stops it when its file is closed. */
const WDIOF_MAGICCLOSE = 0x0100;

/** How long busybox may take to set the time. */
const settingMs = 5000;

/** The launcher feeds it as well until this process answers, and has it open for a moment then. */
const busyMs = 2000;

export interface WatchdogPaths {
  /** The first that exists is taken. */
  devices: readonly string[];
  sysfs: string;
}

const kernelPaths: WatchdogPaths = { devices: ['/dev/watchdog0'], sysfs: '/sys/class/watchdog' };

/** A hardware watchdog that this process has opened: from then on it resets the machine unless it is fed. */
export interface WatchdogDevice {
  path: string;
  /** What the hardware really does. */
  timeoutSeconds: number;
  /** Throws when the device is gone. */
  feed(): void;
  /** `disarm`: it does not reset the machine any more, if the hardware can do that. Else its time goes on. */
  close(options: { disarm: boolean }): void;
}

/** Opens the machine's watchdog, which starts it. Undefined when there is none; rejects when another program has it. */
export async function openWatchdog(
  wantedSeconds: number,
  paths: WatchdogPaths = kernelPaths,
): Promise<WatchdogDevice | undefined> {
  const path = paths.devices.find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  const attributes = join(paths.sysfs, basename(path));
  if ((read(attributes, 'timeout') ?? 0) < wantedSeconds) await lengthen(path, attributes, wantedSeconds);
  const fd = await openFree(path);
  keepArmed(attributes);
  return {
    path,
    timeoutSeconds: read(attributes, 'timeout') ?? wantedSeconds,
    feed: () => void writeSync(fd, '\0'),
    close: ({ disarm }) => {
      if (disarm) writeSync(fd, 'V');
      closeSync(fd);
    },
  };
}

async function openFree(path: string): Promise<number> {
  for (const end = performance.now() + busyMs; ; await delay(50)) {
    try {
      return openSync(path, constants.O_WRONLY);
    } catch (error) {
      if (errorCode(error) !== 'EBUSY' || performance.now() >= end) throw error;
    }
  }
}

/**
 * Setting the time takes an ioctl, which Node lacks, and an FFI library would cost 2 MB from then on. busybox's own
 * watchdog program sets it first thing; asked to end, it stops the watchdog, which keeps that time.
 */
async function lengthen(path: string, attributes: string, seconds: number): Promise<void> {
  const program = spawn('busybox', ['watchdog', '-F', '-T', String(seconds), path], { stdio: 'ignore' });
  const ended = once(program, 'close').catch(() => undefined);
  const end = performance.now() + settingMs;
  // Hardware that cannot wait that long keeps its own time.
  while (read(attributes, 'timeout') !== seconds && program.exitCode === null && performance.now() < end)
    await delay(10);
  program.kill('SIGTERM');
  await ended;
}

/**
 * A driver without the magic close stops the watchdog whenever its file is closed, so also when this process is killed:
 * it is told never to stop. The others stop for the letter V only, which a power-off needs.
 */
function keepArmed(attributes: string): void {
  const options = read(attributes, 'options');
  if (options === undefined || (options & WDIOF_MAGICCLOSE) !== 0 || read(attributes, 'nowayout') !== 0) return;
  try {
    writeFileSync(join(attributes, 'nowayout'), '1');
  } catch {
    // An older kernel cannot be told: then the watchdog pauses while the init container is being replaced.
  }
}

/** A number of the kernel's, decimal or with 0x. */
function read(attributes: string, name: string): number | undefined {
  try {
    const number = Number(readFileSync(join(attributes, name), 'latin1'));
    return Number.isNaN(number) ? undefined : number;
  } catch {
    return undefined;
  }
}
