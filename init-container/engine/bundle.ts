import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { listenFault } from '../../src/shared/definition/listen.ts';
import type { Arch, ImageConfig } from '../../src/shared/oci/types.ts';
import { expandCapabilities } from './capabilities.ts';
import { resourcesOf } from './limits.ts';
import type { OciMount, OciProcess, OciSpec, OciUser } from './oci-spec.ts';
import { isReadOnly, isUnfiltered, maskedPathsOf, readonlyPathsOf } from './restrictions.ts';
import { seccompFilter } from './seccomp.ts';
import { type DeviceLookup, devicesOf, mountsOf, rlimit } from './spec-parts.ts';

export interface BundleInput {
  image: ImageConfig;
  /** The image's label and the OS definition, merged. */
  config: ComponentConfig;
  /** From the image's `User`, looked up in its own /etc/passwd. */
  user: OciUser;
  rootfs: string;
  arch: Arch;
  /** Folders of the volumes it binds, by name. */
  volumes: ReadonlyMap<string, string>;
  /** Mounts of its configuration's files. */
  files: OciMount[];
  cgroup: string;
  /** See `defaultPidsLimit`. */
  defaultPids: number | undefined;
  /** What can be given here. */
  capabilities: string[];
  lookupDevice: DeviceLookup;
  /** Folder with the socket on which the program says that it is ready; absent = nobody listens. */
  notify?: string;
}

/** Where a container finds that folder. */
const notifyFolder = '/run/notify';

const defaultPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The runtime configuration of a system container, with LinuxKit's defaults: the host's network, IPC and UTS namespaces,
 * a PID namespace of its own, no capability that is not listed; and, beyond LinuxKit, a read-only root, a system call
 * filter and a limit of processes. Throws with a sentence on what cannot be run.
 */
export function bundleSpec(input: BundleInput): OciSpec {
  const { config } = input;
  const fault = listenFault(config);
  if (fault !== undefined) throw new Error(fault);
  const process = processOf(input);
  const { nodes, rules } = devicesOf(config.devices ?? [], input.lookupDevice);
  const namespaces = namespacesOf(config);
  return {
    ociVersion: '1.0.2',
    process,
    root: { path: input.rootfs, readonly: isReadOnly(config) },
    hostname: namespaces.some(({ type, path }) => type === 'uts' && !path) ? config.hostname : undefined,
    mounts: [...mountsOf(config, input.volumes, input.files), ...notifyMounts(input.notify)],
    annotations: config.annotations,
    linux: {
      namespaces,
      devices: nodes.length > 0 ? nodes : undefined,
      cgroupsPath: config.cgroupsPath ?? input.cgroup,
      resources: { ...resourcesOf(config, input.defaultPids), devices: [...rules, ...deviceRules(config.resources)] },
      rootfsPropagation: config.rootfsPropagation,
      maskedPaths: maskedPathsOf(config),
      readonlyPaths: readonlyPathsOf(config),
      sysctl: config.sysctl,
      seccomp: isUnfiltered(config) ? undefined : seccompFilter(input.arch, process.capabilities.bounding),
    },
  };
}

/** What runs, as Docker's inspect splits it: `Path` and `Args`. LinuxKit's `command` replaces entry point and command. */
export function argumentsOf(image: ImageConfig, config: ComponentConfig): string[] {
  return config.command ?? [...(image.config?.Entrypoint ?? []), ...(image.config?.Cmd ?? [])];
}

/** LinuxKit's `env` replaces the image's. */
export function environmentOf(image: ImageConfig, config: ComponentConfig): string[] {
  const env = config.env ?? image.config?.Env ?? [];
  return env.some((entry) => entry.startsWith('PATH=')) ? env : [defaultPath, ...env];
}

/** The folder, not the socket: one that is made anew in it is seen as well. */
function notifyMounts(source: string | undefined): OciMount[] {
  if (source === undefined) return [];
  return [{ destination: notifyFolder, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec'] }];
}

function processOf({ image, config, user, capabilities: available, notify }: BundleInput): OciProcess {
  const args = argumentsOf(image, config);
  if (args.length === 0) throw new Error('neither the image nor the OS definition says what to run');
  const capabilities = expandCapabilities(config.capabilities ?? [], available);
  const ambient = expandCapabilities(config.ambient ?? [], available);
  return {
    terminal: false,
    user: {
      uid: config.uid ?? user.uid,
      gid: config.gid ?? user.gid,
      additionalGids: config.additionalGids ?? user.additionalGids,
    },
    args,
    env: [
      ...environmentOf(image, config),
      ...listenEnvironment(config),
      ...(notify === undefined ? [] : [`NOTIFY_SOCKET=${notifyFolder}/notify.sock`]),
    ],
    cwd: config.cwd ?? (image.config?.WorkingDir || '/'),
    capabilities: {
      bounding: capabilities,
      effective: capabilities,
      permitted: capabilities,
      // Inheritable ones would pass to programs with inheritable file capabilities (CVE-2022-24769): only what must be.
      inheritable: ambient,
      ambient,
    },
    rlimits: config.rlimits?.map(rlimit),
    noNewPrivileges: config.noNewPrivileges ?? true,
    oomScoreAdj: config.oomScoreAdj,
  };
}

/**
 * As sd_listen_fds(3) says. The container's first process is 1 as it sees itself; whatever else runs in it sees from the
 * number that these are not for it.
 */
function listenEnvironment({ listen = [] }: ComponentConfig): string[] {
  return listen.length === 0 ? [] : [`LISTEN_FDS=${listen.length}`, 'LISTEN_PID=1'];
}

function namespacesOf(config: ComponentConfig): { type: string; path?: string }[] {
  const namespaces: { type: string; path?: string }[] = [{ type: 'mount' }, { type: 'cgroup' }];
  const add = (type: string, setting: string) => {
    if (setting === 'host') return;
    if (setting === 'new' || setting === 'none' || setting === '') namespaces.push({ type });
    else if (setting.startsWith('/')) namespaces.push({ type, path: setting });
    else throw new Error(`${type} namespace "${setting}" is not host, new or a path`);
  };
  add('pid', config.pid ?? 'new');
  add('network', config.net ?? 'host');
  add('ipc', config.ipc ?? 'host');
  add('uts', config.uts ?? 'host');
  return namespaces;
}

function deviceRules(resources: ComponentConfig['resources']): object[] {
  const rules = resources?.devices;
  return Array.isArray(rules) ? (rules as object[]) : [];
}
