import { readFile } from 'node:fs/promises';

/** Linux capabilities in the kernel's order: the index is the number. Source: include/uapi/linux/capability.h, Linux 6.12. */
const names = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

/**
 * Capabilities as an OS definition names them (`NET_ADMIN`, `CAP_NET_ADMIN`, `all`) in the runtime's words. `available`:
 * those that can be given here; `all` means these. Throws on a name that does not exist or cannot be given.
 */
export function expandCapabilities(wanted: string[], available: string[]): string[] {
  if (wanted.some((name) => name.toLowerCase() === 'all')) return available;
  return wanted.map((name) => {
    const upper = name.toUpperCase();
    const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (!names.includes(full)) throw new Error(`there is no capability ${name}`);
    if (!available.includes(full))
      throw new Error(`the capability ${name} cannot be given: the init container lacks it`);
    return full;
  });
}

/** What this process may pass on: its bounding set. */
export async function availableCapabilities(): Promise<string[]> {
  const status = await readFile('/proc/self/status', 'utf8');
  const mask = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return names.filter((_, index) => (mask >> BigInt(index)) & 1n);
}
