import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { OciDevice, OciMount, OciRlimit } from './oci-spec.ts';

const defaultMounts: OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'],
  },
];

/** Docker's defaults: what tells a container about the machine, or lets it change the machine, through /proc and /sys. */
export const defaultMaskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
export const defaultReadonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Capability sets with SYS_ADMIN can undo masks, and need /proc/sys: Docker drops the masks for them, too. */
export function isPrivileged(capabilities: string[]): boolean {
  return capabilities.includes('CAP_SYS_ADMIN');
}

/** All mounts, parents first. A mount of the definition replaces the default one at its place and those below it. */
export function mountsOf(config: ComponentConfig): OciMount[] {
  const own: OciMount[] = [
    ...(config.binds ?? []).map(bindMount),
    ...(config.tmpfs ?? []).map(tmpfsMount),
    ...(config.mounts ?? []),
  ];
  const covers = (mount: OciMount, path: string) =>
    path === mount.destination || path.startsWith(`${mount.destination.replace(/\/$/, '')}/`);
  const kept = defaultMounts.filter((mount) => !own.some((other) => covers(other, mount.destination)));
  const depth = (mount: OciMount) => mount.destination.split('/').filter(Boolean).length;
  return [...kept, ...own].sort((a, b) => depth(a) - depth(b));
}

/** LinuxKit's `source:destination[:options]`; without options `rw,rbind,rshared`. */
export function bindMount(text: string): OciMount {
  const [source = '', destination = source, options = 'rw,rbind,rshared', ...more] = text.split(':');
  if (!source.startsWith('/') || !destination.startsWith('/') || more.length > 0) {
    throw new Error(`bind "${text}" is not /source:/destination[:options]`);
  }
  const list = options.split(',').filter(Boolean);
  if (!list.includes('bind') && !list.includes('rbind')) list.push('rbind');
  return { destination, type: 'bind', source, options: list };
}

/** LinuxKit's `/path[:options]`. */
export function tmpfsMount(text: string): OciMount {
  const [destination = '', options = ''] = text.split(':');
  if (!destination.startsWith('/')) throw new Error(`tmpfs "${text}" is not /path[:options]`);
  return { destination, type: 'tmpfs', source: 'tmpfs', options: options.split(',').filter(Boolean) };
}

/** `nofile,100,200`: name, soft, hard; `unlimited` is allowed, a single value is both. */
export function rlimit(text: string): OciRlimit {
  const [name = '', soft = '', hard = soft] = text.split(',').map((part) => part.trim());
  const value = (part: string): number | 'unlimited' => {
    if (part === 'unlimited') return part;
    if (!/^\d+$/.test(part)) throw new Error(`rlimit "${text}" is not name,soft,hard`);
    return Number(part);
  };
  const upper = name.toUpperCase();
  return { type: upper.startsWith('RLIMIT_') ? upper : `RLIMIT_${upper}`, soft: value(soft), hard: value(hard) };
}

type DeviceConfig = NonNullable<ComponentConfig['devices']>[number];

/** Type and numbers of a device node on the host, for devices that name only a path. */
export type DeviceLookup = (path: string) => { type: string; major: number; minor: number } | undefined;

/** Nodes to make and cgroup rules: everything is denied but what is listed (crun adds null, zero, tty and the like). */
export function devicesOf(devices: DeviceConfig[], lookup: DeviceLookup): { nodes: OciDevice[]; rules: object[] } {
  const rules: object[] = [{ allow: false, access: 'rwm' }];
  const nodes: OciDevice[] = [];
  for (const device of devices) {
    const access = device.mode ?? 'rwm';
    if (device.path === 'all') {
      rules.push({ allow: true, type: 'a', access });
      continue;
    }
    const found = device.type === undefined || device.major === undefined ? lookup(device.path) : undefined;
    const type = device.type ?? found?.type;
    const major = device.major ?? found?.major;
    const minor = device.minor ?? found?.minor;
    if (type === undefined || (type !== 'p' && (major === undefined || minor === undefined))) {
      throw new Error(
        `device ${device.path} does not exist on this machine and the definition gives no numbers for it`,
      );
    }
    nodes.push({ path: device.path, type, major, minor, fileMode: 0o666, uid: 0, gid: 0 });
    if (type !== 'p') rules.push({ allow: true, type: type === 'u' ? 'c' : type, major, minor, access });
  }
  return { nodes, rules };
}
