import type { ImageConfig } from '../../shared/oci/types.ts';

const everyCapability = [
  'AUDIT_CONTROL', 'AUDIT_READ', 'AUDIT_WRITE', 'BLOCK_SUSPEND', 'BPF', 'CHECKPOINT_RESTORE', 'CHOWN', 'DAC_OVERRIDE',
  'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'IPC_LOCK', 'IPC_OWNER', 'KILL', 'LEASE', 'LINUX_IMMUTABLE', 'MAC_ADMIN',
  'MAC_OVERRIDE', 'MKNOD', 'NET_ADMIN', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_RAW', 'PERFMON', 'SETFCAP', 'SETGID',
  'SETPCAP', 'SETUID', 'SYSLOG', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_CHROOT', 'SYS_MODULE', 'SYS_NICE', 'SYS_PACCT',
  'SYS_PTRACE', 'SYS_RAWIO', 'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'WAKE_ALARM',
].map((name) => `CAP_${name}`);

/**
 * The OCI runtime configuration of the init container: a file system of its own, everything else the device's. What it
 * starts, it starts in the device's mount namespace (`GANTRY_HOST_MNT`), so that nothing depends on this one's life.
 */
export function initBundleConfig(config: ImageConfig): object {
  const bind = (path: string, options: string[]) => ({ destination: path, type: 'bind', source: path, options });
  const capabilities = { bounding: everyCapability, effective: everyCapability, permitted: everyCapability };
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: [...(config.config?.Entrypoint ?? []), ...(config.config?.Cmd ?? [])],
      env: [...(config.config?.Env ?? []), 'GANTRY_HOST_MNT=/proc/1/ns/mnt', 'NODE_ENV=production'],
      cwd: config.config?.WorkingDir || '/',
      capabilities,
      noNewPrivileges: false,
    },
    root: { path: 'rootfs', readonly: false },
    mounts: [
      bind('/proc', ['rbind', 'rslave']),
      bind('/sys', ['rbind', 'rslave']),
      bind('/dev', ['rbind', 'rslave']),
      bind('/run', ['rbind', 'rslave']),
      bind('/gantry', ['rbind', 'rslave', 'ro']),
      bind('/var/lib/gantry', ['rbind', 'rslave']),
    ],
    linux: { namespaces: [{ type: 'mount' }], rootfsPropagation: 'rslave', cgroupsPath: '/gantry/init' },
  };
}
