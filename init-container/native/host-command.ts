import { distribution } from './machine.ts';

/**
 * Where mounts and containers belong: the mount namespace of the device's PID 1. The init container has only a mount
 * namespace of its own, so entering that one is all it takes. `GANTRY_HOST_MNT` is the path of that namespace
 * (`/proc/1/ns/mnt` on a device, that of the service's first process on top of an existing distribution); unset,
 * commands run where this process runs: tests.
 */
export function hostCommand(argv: string[]): string[] {
  const namespace = process.env.GANTRY_HOST_MNT;
  return namespace ? enter(namespace, argv) : argv;
}

/** A path of the device as this process can read it: what is mounted there later does not always reach its own view. */
export function hostPath(path: string): string {
  const namespace = process.env.GANTRY_HOST_MNT;
  return namespace ? `${namespace.replace(/\/ns\/mnt$/, '')}/root${path}` : path;
}
/** Where a person's shell belongs: as `hostCommand`, but on top of an existing distribution in the distribution itself. */
export function machineCommand(argv: string[]): string[] {
  return distribution === undefined ? hostCommand(argv) : enter('/proc/1/ns/mnt', argv);
}

/** The mounts of that namespace, as the kernel lists them. */
export function hostMounts(): string {
  return process.env.GANTRY_HOST_MNT?.replace(/ns\/mnt$/, 'mountinfo') ?? '/proc/self/mountinfo';
}

const enter = (namespace: string, argv: string[]) => ['busybox', 'nsenter', `--mount=${namespace}`, '--', ...argv];
