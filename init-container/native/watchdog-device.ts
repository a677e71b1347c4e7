import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { loadLibc } from './libc.ts';

/** Requests of linux/watchdog.h. */
const WDIOC_GETSUPPORT = 0x80285700;
const WDIOC_SETTIMEOUT = 0xc0045706;
const WDIOC_GETTIMEOUT = 0x80045707;
const WDIOF_MAGICCLOSE = 0x0100;

const candidates = ['/dev/watchdog0', '/dev/watchdog'];

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
  paths: readonly string[] = candidates,
): Promise<WatchdogDevice | undefined> {
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  const libc = await loadLibc();
  const fd = openSync(path, constants.O_WRONLY);
  const number = Buffer.alloc(4);
  number.writeInt32LE(wantedSeconds);
  // Hardware that cannot wait that long keeps its own time.
  libc.ioctl(fd, WDIOC_SETTIMEOUT, number);
  const timeoutSeconds = libc.ioctl(fd, WDIOC_GETTIMEOUT, number) === 0 ? number.readInt32LE() : wantedSeconds;
  keepArmed(path, await canDisarm(fd));
  return {
    path,
    timeoutSeconds,
    feed: () => void writeSync(fd, '\0'),
    close: ({ disarm }) => {
      if (disarm) writeSync(fd, 'V');
      closeSync(fd);
    },
  };
}

async function canDisarm(fd: number): Promise<boolean> {
  const info = Buffer.alloc(40);
  if ((await loadLibc()).ioctl(fd, WDIOC_GETSUPPORT, info) !== 0) return false;
  return (info.readUInt32LE() & WDIOF_MAGICCLOSE) !== 0;
}

/**
 * A driver without the magic close stops the watchdog whenever its file is closed, so also when this process is killed:
 * it is told never to stop. The others stop for the letter V only, which a power-off needs.
 */
function keepArmed(path: string, disarmable: boolean): void {
  if (disarmable) return;
  const control = `/sys/class/watchdog/${basename(path)}/nowayout`;
  try {
    if (readFileSync(control, 'latin1').trim() === '0') writeFileSync(control, '1');
  } catch {
    // An older kernel cannot be told: then the watchdog pauses while the init container is being replaced.
  }
}
