/**
 * Where mounts, containers and shells belong: the mount namespace of the device's PID 1. The init container has only a
 * mount namespace of its own, so entering that one is all it takes. `GANTRY_HOST_MNT` is the path of that namespace
 * (`/proc/1/ns/mnt` on a device); unset, commands run where this process runs: Gantry on top of another system, and tests.
 */
export function hostCommand(argv: string[]): string[] {
  const namespace = process.env.GANTRY_HOST_MNT;
  return namespace ? ['busybox', 'nsenter', `--mount=${namespace}`, '--', ...argv] : argv;
}

/** A path of the device as this process can read it: what is mounted there later does not always reach its own view. */
export function hostPath(path: string): string {
  const namespace = process.env.GANTRY_HOST_MNT;
  return namespace ? `${namespace.replace(/\/ns\/mnt$/, '')}/root${path}` : path;
}
