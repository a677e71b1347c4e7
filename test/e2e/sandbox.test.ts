import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { composeDemo, sayWithTime } from './support/compose.ts';
import { gantry, gantryJson, gantryOk } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { work } from './support/paths.ts';
import { openTerminal } from './support/terminal.ts';

/** Ends all of them but the container's own, without a process: there may be none to be had. */
const endSleepers =
  'cd /proc; for p in [1-9]*; do read name <$p/comm; [ $name != sleep ] || [ $p = 1 ] || kill $p; done';

/** What containers may do, tried out from inside them on a booted device. */
describe('the restrictions of containers', () => {
  let machine: Machine;
  const on = (...args: string[]) => ['-d', machine.target, ...args];
  /** What each script says in the container, errors included. */
  const inside = async (name: string, ...scripts: string[]) => {
    const all = scripts.map((script) => `(${script}) 2>&1; echo ---`).join('; ');
    const said = await gantryOk(...on('exec', name, 'sh', '-c', all));
    return said.split(/^---\n?/m).map((text) => text.trimEnd());
  };
  const inspected = (name: string) =>
    gantryJson<{ HostConfig: Record<string, unknown>; Gantry: { Grants: string[] } }>(...on('inspect', name));

  beforeAll(async () => {
    const image = join(work, 'sandbox-amd64');
    await composeDemo('amd64', sayWithTime(), image, [join(import.meta.dirname, 'definitions/sandbox.yml')]);
    machine = await boot('amd64', 'ssh', { name: 'sandbox', image, data: true });
    await machine.untilHealthy(240);
  });
  afterAll(async () => machine?.stop());

  it('leave nothing to one that asks for nothing', async () => {
    const read = (process: string) => `grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/${process}/status | tr -d '\\t'`;
    const [first, exec, root, scratch, mount, sys, kcore, firmware, namespace] = await inside(
      'plain',
      read('1'),
      read('self'),
      'touch /etc/x',
      'touch /run/x /tmp/x && echo written',
      'mount -t tmpfs none /mnt',
      'echo 1 >/proc/sys/vm/drop_caches',
      'head -c 4 /proc/kcore | wc -c',
      'ls /sys/firmware | wc -l',
      'unshare -U echo made',
    );
    const none = ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'].map((set) => `Cap${set}:${'0'.repeat(16)}`).join('\n');
    expect(first).toBe(`${none}\nNoNewPrivs:1\nSeccomp:2`);
    expect(exec).toBe(first);
    expect(root).toContain('Read-only file system');
    expect(scratch).toBe('written');
    expect(mount).toMatch(/denied|not permitted/);
    expect(sys).toContain('Read-only file system');
    expect([kcore, firmware]).toEqual(['0', '0']);
    // This needs no capability: it is the filter that refuses it.
    expect(namespace).toContain('not permitted');
  });

  it('are opened by what the definition says, and only that', async () => {
    const [namespace, status, root, cache] = await inside(
      'opened',
      'unshare -U echo made',
      "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\t'",
      'touch /etc/x',
      'touch /var/cache/app/x && df -k /var/cache/app',
    );
    expect(namespace).toBe('made');
    expect(status).toBe('CapEff:0000000000002000\nNoNewPrivs:0\nSeccomp:0');
    expect(root).toContain('Read-only file system');
    expect(cache).toMatch(/ 1024 /);
    const [written, chroot] = await inside('some', 'touch /etc/x && unshare -m echo made', 'chroot / true');
    expect([written, chroot]).toEqual(['made', expect.stringContaining('not permitted')]);
    const [core] = await inside('privileged', 'mount -t tmpfs none /mnt && head -c 4 /proc/kcore | tail -c 3; echo');
    expect(core).toBe('ELF');
  });

  it('are said by inspect', async () => {
    expect((await inspected('some')).Gantry.Grants).toContain('capability CAP_SYS_ADMIN');
    expect((await inspected('mosquitto')).Gantry.Grants).toEqual(["network: the device's"]);
    expect(await gantryOk(...on('inspect', 'sshd'))).toMatch(/beyond the defaults:\n {2}all capabilities\n/);
  });

  it('bound memory, processor and processes, and inspect says how', async () => {
    const { HostConfig, Gantry } = await inspected('plain');
    expect(HostConfig).toMatchObject({
      ...{ Memory: 48 << 20, NanoCpus: 5e8, PidsLimit: 30, ReadonlyRootfs: true, Privileged: false },
      SecurityOpt: ['no-new-privileges'],
    });
    expect(Gantry.Grants).toEqual([
      "network: the device's",
      'volume state at /state (read-write)',
      'volume shared at /shared (read-write)',
    ]);
    expect((await inspected('web')).HostConfig).toMatchObject({ Memory: 0, PidsLimit: 2048 });
    const files = ['memory.max', 'cpu.max', 'pids.max'].map((name) => `/sys/fs/cgroup/${name}`);
    const [limits, crowd] = await inside(
      'plain',
      `cat ${files.join(' ')}`,
      `sh -c 'for i in $(seq 40); do sleep 100 & done'; ${endSleepers}`,
    );
    expect(limits).toBe(`${48 << 20}\n50000 100000\n30`);
    expect(crowd).toContain("can't fork");
    expect(await inside('opened', 'cat /sys/fs/cgroup/pids.max')).toContain('max');
  });

  it('leave files of the configuration and volumes where the definition puts them', async () => {
    const [texts, mode, change] = await inside(
      'plain',
      'cat /etc/app/settings.conf /run/app.conf',
      'stat -c "%a %u:%g" /etc/app/settings.conf',
      'echo 2 >/etc/app/settings.conf',
      'echo hello >/shared/word; echo kept >/state/word',
    );
    expect([texts, mode]).toEqual(['level = 1\nin memory', '640 0:7']);
    expect(change).toContain('Read-only file system');
    const [word, other] = await inside('some', 'cat /shared/word', 'echo 2 >/shared/word');
    expect([word, other]).toEqual(['hello', expect.stringContaining('Read-only file system')]);
    const look = 'cd /var/lib/gantry/volumes; cat revision/state/*/word; ls permanent/*; cat /etc/resolv.conf';
    expect(await gantryOk(...on('sh', '-c', look))).toMatch(/^kept\n(.*\n)*dropbear_\w+_host_key\n(.*\n)*nameserver /);
    // With the API's socket in it, a container could do everything.
    expect(await inside('dhcp', 'ls /run')).toContain('resolvconf');
  });

  it('keep the serial line to those who know the password', async () => {
    const overLine = ['-d', 'qemu:sandbox?via=serial', 'ps'];
    const refused = await gantry(...overLine);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('this console asks for a password');
    const terminal = openTerminal(['-d', 'qemu:sandbox?via=serial', 'console']);
    try {
      terminal.type('\r');
      await terminal.sees('password: ');
      terminal.type('guessed\r');
      await terminal.sees('That is not the password.');
      await terminal.sees('password: ');
      terminal.type('a cable is no key\r');
      await terminal.sees(/ r0!?> $/);
      // While somebody is logged in, the line is a way to the device.
      expect(await gantryOk(...overLine)).toContain('mosquitto');
      terminal.type('exit\r');
      expect(await terminal.exit).toBe(0);
      expect((await gantry(...overLine)).stderr).toContain('this console asks for a password');
      expect(terminal.shown()).not.toMatch(/guessed|no key/);
    } finally {
      terminal.kill();
    }
  });
});
