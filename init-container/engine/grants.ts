import { parseBind } from '../../src/shared/definition/bind.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import {
  defaultMaskedPaths,
  defaultReadonlyPaths,
  isPrivileged,
  isReadOnly,
  isUnfiltered,
  maskedPathsOf,
  readonlyPathsOf,
} from './restrictions.ts';

/** Where the API's socket is: who can open it can do everything, also through a read-only bind. */
const socketPlaces = ['/', '/run', '/var/run', '/run/docker.sock', '/var/run/docker.sock'];
/** Where revisions and images are: who can write there decides what runs. */
const dataPlaces = ['/var', '/var/lib', '/var/lib/gantry'];

/**
 * What a container may do beyond the defaults, a few words each: what of its configuration (the image's and the
 * definition's, merged) opens something. An empty list: it has its own files, and nothing else. Never throws; what cannot
 * be run is said when it is started.
 */
export function grantsOf(config: ComponentConfig): string[] {
  return [
    ...capabilityGrants(config),
    ...(isUnfiltered(config) ? ['no system call filter'] : []),
    ...(config.noNewPrivileges === false ? ['programs can gain privileges (setuid, file capabilities)'] : []),
    ...(isReadOnly(config) ? [] : ['the root file system can be written']),
    ...namespaceGrants(config),
    ...(config.devices ?? []).map(({ path, mode = 'rwm' }) =>
      path === 'all' ? `all devices (${mode})` : `device ${path} (${mode})`,
    ),
    ...(config.binds ?? []).map(bindGrant),
    ...(config.tmpfs ?? []).map((text) => `files in memory at ${text.split(':')[0]}`),
    ...(config.mounts ?? []).map(mountGrant),
    ...pathGrants(config),
    ...Object.keys(config.sysctl ?? {}).map((name) => `kernel setting ${name}`),
    ...limitGrants(config),
  ];
}

function capabilityGrants(config: ComponentConfig): string[] {
  const { capabilities = [], ambient = [] } = config;
  if (isPrivileged(config)) return ['all capabilities'];
  const full = (name: string) => (/^cap_/i.test(name) ? name : `CAP_${name}`).toUpperCase();
  return [
    ...capabilities.map((name) => `capability ${full(name)}`),
    ...ambient.map((name) => `capability ${full(name)} also without being root`),
  ];
}

function namespaceGrants({ net = 'host', pid = 'new', ipc = 'host', uts = 'host' }: ComponentConfig): string[] {
  const words = (what: string, setting: string) => {
    if (setting === 'host') return [`${what}: the device's`];
    return setting.startsWith('/') ? [`${what}: that of ${setting}`] : [];
  };
  // Sharing IPC and the host name is LinuxKit's default, and harmless by itself; the network is not.
  return [
    ...words('network', net),
    ...words('processes', pid),
    ...(ipc === 'host' ? [] : words('IPC', ipc)),
    ...(uts === 'host' ? [] : words('host name', uts)),
  ];
}

function bindGrant(text: string): string {
  try {
    const { source, volume, destination, writable } = parseBind(text);
    const how = writable ? 'read-write' : 'read-only';
    if (volume) return `volume ${source} at ${destination} (${how})`;
    const where = source === destination ? '' : ` at ${destination}`;
    const plain = source.replace(/(.)\/+$/, '$1');
    const controls = socketPlaces.includes(plain) || (writable && dataPlaces.includes(plain));
    return `${source} of the device${where} (${how}${controls ? '; enough to control the device' : ''})`;
  } catch {
    return `bind ${text}`;
  }
}

function mountGrant({
  destination,
  type = 'bind',
  source,
  options = [],
}: NonNullable<ComponentConfig['mounts']>[number]) {
  const bind = type === 'bind' || options.includes('bind') || options.includes('rbind');
  if (!bind || source === undefined) return `file system ${type} at ${destination}`;
  return bindGrant(`${source}:${destination}:${options.join(',')}`);
}

function pathGrants(config: ComponentConfig): string[] {
  if (isPrivileged(config) && !config.maskedPaths && !config.readonlyPaths) return ['all of /proc and /sys'];
  const [masked, readonly] = [maskedPathsOf(config), readonlyPathsOf(config)];
  return [
    ...defaultMaskedPaths.filter((path) => !masked.includes(path)).map((path) => `${path} can be seen`),
    ...defaultReadonlyPaths
      .filter((path) => !readonly.includes(path) && !masked.includes(path))
      .map((path) => `${path} can be written`),
  ];
}

function limitGrants({
  pids_limit: pids,
  resources,
  oomScoreAdj = 0,
  cgroupsPath,
  rootfsPropagation,
}: ComponentConfig) {
  const limit = pids ?? (resources?.pids as { limit?: unknown } | undefined)?.limit;
  return [
    ...(typeof limit === 'number' && limit <= 0 ? ['no limit of processes'] : []),
    ...(oomScoreAdj < 0 ? [`ended later than others when memory is short (${oomScoreAdj})`] : []),
    ...(cgroupsPath === undefined ? [] : [`the cgroup ${cgroupsPath}`]),
    ...(rootfsPropagation?.includes('shared') ? ['its mounts reach the device'] : []),
  ];
}
