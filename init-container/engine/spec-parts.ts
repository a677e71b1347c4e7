import { parseBind } from '../../src/shared/definition/bind.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { OciDevice, OciMount, OciRlimit } from './oci-spec.ts';
import { isReadOnly } from './restrictions.ts';

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

/**
 * Where programs expect to write although the root is read-only: as Podman's `--read-only-tmpfs`. What the image has there
 * is copied in. The size is a bound, charged to the container's memory as it is used.
 */
const scratchMounts: OciMount[] = [
  {
    destination: '/run',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', 'mode=755', 'size=65536k', 'tmpcopyup'],
  },
  {
    destination: '/tmp',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', 'mode=1777', 'size=65536k', 'tmpcopyup'],
  },
];

/**
 * All mounts, parents first. A mount of the definition replaces the default one at its place and those below it.
 * `volumes`: the folders of the volumes it binds, by name. `files`: those of its configuration.
 */
export function mountsOf(
  config: ComponentConfig,
  volumes: ReadonlyMap<string, string> = new Map(),
  files: OciMount[] = [],
): OciMount[] {
  const own: OciMount[] = [
    ...(config.binds ?? []).map((bind) => bindMount(bind, volumes)),
    ...(config.tmpfs ?? []).map(tmpfsMount),
    ...(config.mounts ?? []),
  ];
  const covers = (mount: OciMount, path: string) =>
    path === mount.destination || path.startsWith(`${mount.destination.replace(/\/$/, '')}/`);
  const defaults = isReadOnly(config) ? [...defaultMounts, ...scratchMounts] : defaultMounts;
  const kept = defaults.filter((mount) => !own.some((other) => covers(other, mount.destination)));
  const depth = (mount: OciMount) => mount.destination.split('/').filter(Boolean).length;
  return [...kept, ...own, ...files].sort((a, b) => depth(a) - depth(b));
}

/** A bind as the runtime takes it. Throws when its volume has no folder. */
export function bindMount(text: string, volumes: ReadonlyMap<string, string> = new Map()): OciMount {
  const { source, volume, destination, options } = parseBind(text);
  const folder = volume ? volumes.get(source) : source;
  if (folder === undefined) throw new Error(`the volume "${source}" has no folder`);
  const recursive = options.includes('bind') || options.includes('rbind');
  return { destination, type: 'bind', source: folder, options: recursive ? options : [...options, 'rbind'] };
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
