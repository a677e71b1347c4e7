import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildHostPackage } from '../../src/compose/host-package/build.ts';
import { hostArch } from '../../src/emulator/index.ts';
import { Distribution, loopDevices } from '../e2e/support/distribution.ts';
import { ociDir, root, work } from '../e2e/support/paths.ts';
import { until } from '../e2e/support/until.ts';

/** On top of an existing distribution: this machine's own, in namespaces; with systemd where it says so. */
const arch = hostArch();
const folder = join(work, 'host');
const packageFile = join(folder, `demo-${arch}-host.run`);
const web2 = `oci:${ociDir(arch)}:web:2`;

const extra = `
services:
  - name: watcher
    image: web:1
    command: [sh, -c, "cat /machine/os-release /machine/hello; exec sleep 100000"]
    binds: ["/etc/os-release:/machine/os-release:ro", "/etc/gantry/hello:/machine/hello:ro"]
    healthcheck: { disable: true }
    listen: []
    swap: { strategy: stop-start }
    stop_grace_period: 100ms
    resources: { memory: { limit: 67108864 } }
onshutdown:
  - name: farewell
    image: web:1
    command: [sh, -c, "echo farewell"]
    listen: []
    swap: { strategy: stop-start }
files:
  - { path: /etc/gantry/hello, contents: "hello from the definition\\n", mode: "0644" }
`;

const build = (outFile: string) => {
  const definitions = [join(root, 'images/demo.yml'), join(folder, 'extra.yml')];
  return buildHostPackage({ definitions, arch, outFile, relockGone: true });
};

let leftOut: string[] = [];
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'extra.yml'), extra);
  ({ leftOut } = await build(packageFile));
});

it('is refused with a sentence where sockets cannot be as the definition says', async () => {
  const file = join(folder, 'sockets.yml');
  writeFileSync(file, `services:\n  - { name: long, image: web:1, listen: ["/run/${'x'.repeat(98)}"] }\n`);
  const definitions = [join(root, 'images/demo.yml'), file];
  await expect(buildHostPackage({ definitions, arch, outFile: packageFile, relockGone: true })).rejects.toThrow(
    /long: listen .* has at most 102 bytes/,
  );
});

it('has the same bytes when it is made again', async () => {
  const again = join(mkdtempSync(join(folder, 'again-')), basename(packageFile));
  await build(again);
  expect(readFileSync(again).equals(readFileSync(packageFile))).toBe(true);
  rmSync(dirname(again), { recursive: true });
});

it('leaves out what the machine has of its own', () => {
  expect(leftOut.map((sentence) => sentence.split(/[: ]/)[0])).toEqual(['kernel', 'dhcp', 'sshd']);
});

describe.runIf(existsSync('/lib/systemd/systemd'))('on Debian with systemd, over SSH', () => {
  let machine: Distribution;
  const ssh = 'ssh://root@127.0.0.1';
  let before: string[];
  let failedBefore: string[];
  /** Not every unit of Debian starts in namespaces of its own; which do depends on the machine that runs the test. */
  const failedUnits = async () => {
    const list = await machine.shOk('systemctl list-units --state=failed --plain --no-legend --no-pager');
    return list.split('\n').map((line) => line.replace(/ .*/, ''));
  };

  beforeAll(async () => {
    machine = new Distribution('systemd');
    await machine.boot();
    failedBefore = await failedUnits();
    const key = readFileSync(join(machine.home, '.ssh', 'id_ed25519.pub'), 'utf8').trim();
    await machine.shOk(`mkdir -p /root/.ssh && echo '${key}' >/root/.ssh/authorized_keys`);
    before = await machine.traces();
  });
  afterAll(() => machine?.stop());

  it('installs by one command, and runs what the definition names beside the distribution', async () => {
    const login = ['-i', join(machine.home, '.ssh', 'id_ed25519'), '-o', 'StrictHostKeyChecking=no'];
    const known = ['-o', `UserKnownHostsFile=${join(machine.home, '.ssh', 'known_hosts')}`];
    const remote = 'cat >/tmp/gantry.run && sh /tmp/gantry.run';
    const installed = await machine.beside(['ssh', ...login, ...known, 'root@127.0.0.1', remote], packageFile);
    expect(installed).toMatchObject({ code: 0, stdout: expect.stringContaining('runs') });
    const all = await machine.untilHealthy(ssh);
    expect(all.map(({ name }) => name).sort()).toEqual(['farewell', 'init', 'mosquitto', 'watcher', 'web']);
    expect(await machine.gantryOk('-d', ssh, 'info')).toMatch(/host name +board\nruns on +Debian GNU/);
    expect(await machine.shOk('systemctl is-enabled gantry')).toBe('enabled');
  });

  it('binds the files of the machine, and those of the definition before them', async () => {
    const log = await machine.gantryOk('-d', ssh, 'logs', 'watcher');
    expect(log).toContain('PRETTY_NAME="Debian');
    expect(log).toContain('hello from the definition');
    expect(await machine.sh('ls /etc/gantry')).toMatchObject({ code: 2 });
  });

  it('gives a shell of the machine, and leaves its power to it', async () => {
    expect(await machine.gantryOk('-d', ssh, 'sh', '-c', 'systemctl is-active ssh')).toBe('active');
    const refused = await machine.gantry('-d', ssh, 'power', 'reboot');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('belongs to Debian');
  });

  it('swaps a component', async () => {
    await machine.gantryOk('-d', ssh, 'swap', 'web', web2);
    expect((await machine.beside(['wget', '-qO-', 'http://127.0.0.1/'])).stdout).toContain('version 2');
  });

  it('keeps every container through kill -9 of the init container, a restart and kill -9 of the service', async () => {
    const pids = await machine.pids();
    const started = async () => (await machine.components()).find(({ name }) => name === 'init')?.startedAt;
    const disturb = async (what: string) => {
      const old = await started();
      await machine.shOk(what);
      await until('another init container', 30, async () => {
        const now = await started();
        return now !== undefined && now !== old;
      });
      expect(await machine.pids()).toEqual(pids);
    };
    await disturb('kill -9 $(cat /sys/fs/cgroup/gantry/init/cgroup.procs)');
    await disturb('systemctl restart gantry');
    await disturb('kill -9 $(systemctl show -P MainPID gantry)');
    expect(await machine.shOk('systemctl is-active gantry')).toBe('active');
  });

  it('stops in order when the machine goes down, and comes back with the same revision', async () => {
    await machine.shOk('systemctl poweroff --no-block');
    await machine.untilOff();
    await machine.boot();
    expect(await machine.shOk('cat /var/lib/gantry/logs/farewell.log')).toContain('farewell');
    const all = await until('the service to answer', 60, () => machine.untilHealthy(ssh));
    expect(all.find(({ name }) => name === 'web')?.image).toBe('web:2');
    await machine.gantryOk('-d', ssh, 'rollback');
    expect((await machine.beside(['wget', '-qO-', 'http://127.0.0.1/'])).stdout).toContain('version 1');
  });

  it('goes by one command and leaves nothing behind', async () => {
    await machine.shOk('/opt/gantry/uninstall --purge');
    expect(await machine.traces()).toEqual(before);
    expect(loopDevices('/opt/gantry')).toEqual([]);
    expect(await failedUnits()).toEqual(failedBefore);
  });
});

describe('where cgroup v1 is mounted and there is no systemd', () => {
  let machine: Distribution;
  const install = (file: string) => machine.sh('cat >/tmp/gantry.run && sh /tmp/gantry.run', file);
  let before: string[];

  beforeAll(async () => {
    machine = new Distribution('plain');
    await machine.boot();
    before = await machine.traces();
  });
  afterAll(() => machine?.stop());

  it('refuses a package that was cut off, and changes nothing', async () => {
    const cut = join(folder, 'cut.run');
    copyFileSync(packageFile, cut);
    truncateSync(cut, 1 << 20);
    expect(await install(cut)).toMatchObject({ code: 1, stderr: expect.stringContaining('damaged or cut off') });
    expect(await machine.traces()).toEqual(before);
  });

  it('keeps the limits that version 2 has controllers for here, and says which it does not keep', async () => {
    expect(await install(packageFile)).toMatchObject({ code: 0, stdout: expect.stringContaining('no systemd') });
    await machine.untilHealthy();
    const unified = '/sys/fs/cgroup/unified';
    const kept = (await machine.shOk(`cat ${unified}/cgroup.controllers`)).split(' ').includes('memory');
    const { watcher } = await machine.pids();
    const limit = `cat "${unified}$(sed -n 's/^0:://p' /proc/${watcher}/cgroup)/memory.max"`;
    expect((await machine.sh(limit)).stdout.trim()).toBe(kept ? '67108864' : '');
    const said = (await machine.shOk('cat /var/log/gantry.log')).includes('watcher: its limits of memory are not kept');
    expect(said).toBe(!kept);
  });

  it('shows the log of the machine’s kernel', async () => {
    expect(await machine.gantryOk('-d', machine.unix, 'logs', '-n', '1', 'kernel')).not.toBe('');
  });

  it('swaps, and ends and starts again as a whole', async () => {
    await machine.gantryOk('-d', machine.unix, 'swap', 'web', web2);
    await machine.shOk('/opt/gantry/stop');
    expect((await machine.traces()).filter((line) => !line.startsWith('/') || /cgroup|mnt/.test(line))).toEqual([]);
    await machine.shOk('/opt/gantry/start');
    const all = await machine.untilHealthy();
    expect(all.find(({ name }) => name === 'web')?.image).toBe('web:2');
  });

  it('is upgraded by installing again, and goes without its data', async () => {
    const pids = await machine.pids();
    expect(await install(packageFile)).toMatchObject({ code: 0 });
    const all = await machine.untilHealthy();
    expect(all.find(({ name }) => name === 'web')).toMatchObject({ image: 'web:2' });
    expect(all.find(({ name }) => name === 'web')?.pid).not.toBe(pids.web);
    await machine.shOk('/opt/gantry/uninstall');
    const left = await machine.traces();
    expect(left.filter((line) => line !== '/var/lib/gantry')).toEqual(before);
    expect(await machine.shOk('ls /var/lib/gantry')).toContain('revisions');
    expect(loopDevices('/opt/gantry')).toEqual([]);
  });
});
