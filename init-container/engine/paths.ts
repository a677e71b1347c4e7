import { join } from 'node:path';
import { devicePaths } from '../../src/shared/device-paths.ts';

/**
 * A component has one container, and two while a new one comes up beside the old one: `web` and `web.2`, in turns. These
 * are the names that crun, conmon, folders and cgroups go by; a component's own name has no dot.
 */
export const instancesOf = (component: string): [string, string] => [component, `${component}.2`];
export const otherInstance = (instance: string) =>
  instance.endsWith('.2') ? instance.slice(0, -'.2'.length) : `${instance}.2`;
export const componentOf = (instance: string) => instance.replace(/\.2$/, '');

/** Everything about one container lies in one folder on tmpfs, which is also its OCI bundle. */
export function containerPaths(instance: string) {
  const folder = join(devicePaths.containers, instance);
  return {
    folder,
    spec: join(folder, 'config.json'),
    rootfs: join(folder, 'rootfs'),
    /** A file system of its own, in memory: what the container writes takes no room from anything else there. */
    layer: join(folder, 'layer'),
    upper: join(folder, 'layer', 'upper'),
    work: join(folder, 'layer', 'work'),
    /** Those of the component's configuration. */
    files: join(folder, 'files'),
    pidFile: join(folder, 'pid'),
    conmonPidFile: join(folder, 'conmon.pid'),
    conmonLog: join(folder, 'conmon.log'),
    /** conmon's control FIFO. */
    control: join(folder, 'ctl'),
    /** conmon makes this empty file when the kernel killed the container for want of memory. */
    oom: join(folder, 'oom'),
    /** Bound into containers that say themselves that they are ready; the socket is in it. */
    notify: join(folder, 'notify'),
    notifySocket: join(folder, 'notify', 'notify.sock'),
    record: join(folder, 'container.json'),
    state: join(folder, 'state.json'),
    /** conmon makes it by rename: the exit code in decimal. */
    exit: join(devicePaths.exits, instance),
  };
}

export const logsFolder = join(devicePaths.data, 'logs');

/** One log for all containers that a component ever had. */
export function logPath(component: string): string {
  return join(logsFolder, `${component}.log`);
}

export const cgroupRoot = '/sys/fs/cgroup';

/** Inside the cgroup file system. conmon has a cgroup of its own beside the container's, so that neither's end is the other's. */
export const containerCgroup = (instance: string) => `/gantry/containers/${instance}`;
export const conmonCgroup = (instance: string) => `/gantry/conmon/${instance}`;

/** Where the processes are that keep sockets open while nobody else does. */
export const socketsCgroup = '/gantry/sockets';
