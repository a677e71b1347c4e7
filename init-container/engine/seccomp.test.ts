import { expect, test } from 'vitest';
import { seccompFilter } from './seccomp.ts';

const allows = (capabilities: string[], name: string) =>
  seccompFilter('amd64', capabilities).syscalls.some(
    (rule) => rule.names.includes(name) && rule.action === 'SCMP_ACT_ALLOW' && rule.args === undefined,
  );

test('what reaches the machine is not allowed to those without the capability for it', () => {
  const closed = ['mount', 'umount2', 'unshare', 'setns', 'bpf', 'keyctl', 'add_key', 'kexec_load', 'init_module'];
  for (const name of [
    ...closed,
    'io_uring_setup',
    'userfaultfd',
    'pivot_root',
    'swapon',
    'reboot',
    'open_by_handle_at',
  ])
    expect(allows([], name), name).toBe(false);
  for (const name of ['read', 'openat', 'execve', 'futex', 'epoll_pwait', 'clock_gettime', 'ptrace'])
    expect(allows([], name), name).toBe(true);
});

test('a capability opens its calls', () => {
  expect(allows(['CAP_SYS_ADMIN'], 'mount')).toBe(true);
  expect(allows(['CAP_SYS_BOOT'], 'reboot')).toBe(true);
  expect(allows(['CAP_NET_ADMIN'], 'mount')).toBe(false);
  // No capability is enough for these.
  expect(allows(['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_BOOT'], 'kexec_load')).toBe(false);
});

test('processes can be made, namespaces not', () => {
  const rules = seccompFilter('arm64', ['CAP_CHOWN']).syscalls;
  const newNamespaces = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;
  expect(rules.find(({ names }) => names[0] === 'clone')?.args).toEqual([
    { index: 0, value: newNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' },
  ]);
  expect(rules.find(({ names }) => names[0] === 'clone3')).toMatchObject({ action: 'SCMP_ACT_ERRNO', errnoRet: 38 });
  expect(allows(['CAP_SYS_ADMIN'], 'clone3')).toBe(true);
  expect(seccompFilter('amd64', ['CAP_SYS_ADMIN']).syscalls.filter(({ names }) => names[0] === 'clone3')).toEqual([]);
});

test('a call has one rule for all arguments or rules for some, as the runtime wants it', () => {
  for (const arch of ['amd64', 'arm64'] as const) {
    const [first, ...others] = seccompFilter(arch, ['CAP_SYS_PTRACE', 'CAP_SYSLOG']).syscalls;
    expect(new Set(first?.names).size).toBe(first?.names.length);
    for (const { names } of others) expect(first?.names).not.toContain(names[0]);
  }
});
