import { join } from 'node:path';
import { devicePaths } from '../../src/shared/device-paths.ts';

/** Everything about one container lies in one folder on tmpfs, which is also its OCI bundle. */
export function containerPaths(name: string) {
  const folder = join(devicePaths.containers, name);
  return {
    folder,
    spec: join(folder, 'config.json'),
    rootfs: join(folder, 'rootfs'),
    upper: join(folder, 'upper'),
    work: join(folder, 'work'),
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
    exit: join(devicePaths.exits, name),
  };
}

export const logsFolder = join(devicePaths.data, 'logs');

export function logPath(name: string): string {
  return join(logsFolder, `${name}.log`);
}

export const cgroupRoot = '/sys/fs/cgroup';

/** Inside the cgroup file system. conmon has a cgroup of its own beside the container's, so that neither's end is the other's. */
export const containerCgroup = (name: string) => `/gantry/containers/${name}`;
export const conmonCgroup = (name: string) => `/gantry/conmon/${name}`;
