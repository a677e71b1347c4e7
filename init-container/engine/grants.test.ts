import { expect, test } from 'vitest';
import { componentConfigSchema } from '../../src/shared/definition/component-config.ts';
import { grantsOf } from './grants.ts';

test('with a network of its own and nothing asked for, it may nothing beyond the defaults', () => {
  expect(grantsOf({ net: 'none' })).toEqual([]);
  expect(grantsOf({ readonly: true, noNewPrivileges: true, pids_limit: 3, oomScoreAdj: 500, net: 'new' })).toEqual([]);
});

test('every field that opens something is said', () => {
  const grants = grantsOf(
    componentConfigSchema.parse({
      capabilities: ['net_admin', 'CAP_CHOWN'],
      ambient: ['CAP_CHOWN'],
      security_opt: ['seccomp=unconfined'],
      noNewPrivileges: false,
      readonly: false,
      pid: 'host',
      net: '/run/netns/x',
      devices: [{ path: '/dev/ttyS0', mode: 'rw' }, { path: 'all' }],
      binds: ['/srv:/srv:ro', '/etc/x:/y', 'data:/data', 'nonsense'],
      tmpfs: ['/var/cache:size=1m'],
      mounts: [
        { destination: '/m', source: '/srv/m', options: ['bind', 'ro'] },
        { destination: '/debug', type: 'debugfs', source: 'debugfs' },
      ],
      maskedPaths: [],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sysrq-trigger'],
      sysctl: { 'net.ipv4.ip_forward': '1' },
      pids_limit: -1,
      oomScoreAdj: -900,
      cgroupsPath: '/x',
      rootfsPropagation: 'rshared',
    }),
  );
  expect(grants.filter((grant) => !grant.endsWith('can be seen'))).toEqual([
    'capability CAP_NET_ADMIN',
    'capability CAP_CHOWN',
    'capability CAP_CHOWN also without being root',
    'no system call filter',
    'programs can gain privileges (setuid, file capabilities)',
    'the root file system can be written',
    'network: that of /run/netns/x',
    "processes: the device's",
    'device /dev/ttyS0 (rw)',
    'all devices (rwm)',
    '/srv of the device (read-only)',
    '/etc/x of the device at /y (read-write)',
    'volume data at /data (read-write)',
    'bind nonsense',
    'files in memory at /var/cache',
    '/srv/m of the device at /m (read-only)',
    'file system debugfs at /debug',
    '/proc/sys can be written',
    'kernel setting net.ipv4.ip_forward',
    'no limit of processes',
    'ended later than others when memory is short (-900)',
    'the cgroup /x',
    'its mounts reach the device',
  ]);
  expect(grants).toContain('/proc/kcore can be seen');
});

test('a privileged one is said in four words, and what it does not get is not', () => {
  expect(grantsOf({ capabilities: ['all'] })).toEqual([
    'all capabilities',
    'no system call filter',
    "network: the device's",
    'all of /proc and /sys',
  ]);
});

test('a bind that is enough to control the device is called so', () => {
  const controls = (bind: string) => grantsOf({ binds: [bind] }).some((grant) => grant.includes('control the device'));
  for (const bind of ['/:/host:ro', '/run:/run', '/run/:/x', '/var/run/docker.sock:/s:ro', '/var/lib:/l'])
    expect(controls(bind), bind).toBe(true);
  for (const bind of ['/run/x:/run/x', '/var/lib:/l:ro', '/etc:/etc', 'run:/run'])
    expect(controls(bind), bind).toBe(false);
});
