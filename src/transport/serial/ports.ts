import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lockHolder } from './lock-file.ts';

/** A serial port of this machine. */
export interface PortInfo {
  /** The name to use: the one that stays the same, when there is one. */
  path: string;
  /** `/dev/ttyUSB0`. */
  device: string;
  /** `ftdi_sio`; empty when it cannot be known. */
  driver: string;
  /** Who has it. */
  holder?: { pid: number; program: string };
}

/** Names that stay the same: by what the adapter says of itself, else by where it is plugged in. */
const nameFolders = ['dev/serial/by-id', 'dev/serial/by-path'];
/** PORT_UNKNOWN in linux/serial_core.h: a place for a UART, without one. */
const noUart = '0';

/** Every port that something is behind, sorted by name. `root` is `/` except in tests. */
export function listPorts(root = '/', locks?: readonly string[]): PortInfo[] {
  const names = new Map<string, string>();
  for (const folder of nameFolders) {
    for (const name of entries(join(root, folder))) {
      const target = real(join(root, folder, name));
      if (target !== undefined && !names.has(basename(target))) names.set(basename(target), `/${folder}/${name}`);
    }
  }
  const ports: PortInfo[] = [];
  const holders = openedBy(root);
  for (const tty of entries(join(root, 'sys/class/tty'))) {
    const sys = join(root, 'sys/class/tty', tty);
    // Terminals that are no hardware have no device.
    if (!existsSync(join(sys, 'device')) || read(join(sys, 'type')) === noUart) continue;
    const device = `/dev/${tty}`;
    const pid = lockHolder(device, locks) ?? holders.get(device);
    ports.push({
      path: names.get(tty) ?? device,
      device,
      driver: basename(real(join(sys, 'device/driver')) ?? ''),
      ...(pid !== undefined && { holder: { pid, program: read(join(root, `proc/${pid}/comm`)) ?? '' } }),
    });
  }
  return ports.sort((a, b) => a.path.localeCompare(b.path));
}

/** Who has a tty open, as far as this user may know: programs that lock a port without a lock file. */
function openedBy(root: string): Map<string, number> {
  const holders = new Map<string, number>();
  for (const pid of entries(join(root, 'proc')).filter((name) => /^\d+$/.test(name))) {
    for (const fd of entries(join(root, 'proc', pid, 'fd'))) {
      const target = link(join(root, 'proc', pid, 'fd', fd));
      if (target?.startsWith('/dev/tty')) holders.set(target, Number(pid));
    }
  }
  return holders;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function real(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
