import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ComponentStatus, RevisionList } from '../../src/shared/api/types.ts';
import { gantryOk, start } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { PlainLine } from './support/plain-line.ts';
import { until } from './support/until.ts';

/** The device's own shell, on one machine: over SSH, and on the serial line as a plain terminal program has it. */
let machine: Machine;
let line: PlainLine;

beforeAll(async () => {
  machine = await boot('amd64', 'ssh', { name: 'e2e-gsh', data: true });
  await machine.untilHealthy(240);
  line = new PlainLine(machine.emulator.instance.serial.path);
});
afterAll(async () => {
  line?.close();
  await machine?.stop();
});

/** `ssh DEVICE WORDS`, as a person types it. */
async function ssh(words: string[], input = '') {
  const access = machine.emulator.instance.ssh;
  if (!access) throw new Error('the machine has no SSH');
  const options = ['-F', 'none', '-p', String(access.port), '-i', access.identityFile, '-o', 'BatchMode=yes'];
  const host = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'];
  const result = await execa('ssh', [...options, ...host, `${access.user}@${access.host}`, ...words], {
    reject: false,
    input,
    timeout: 60_000,
  });
  return { code: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}

it('over SSH its commands are those of the host, with pipes, scripts and exit codes', async () => {
  const ps = await ssh(['gsh', 'ps', '--json']);
  expect(ps.stderr).toBe('');
  const names = (JSON.parse(ps.stdout) as ComponentStatus[]).map(({ name }) => name);
  expect(names.sort()).toEqual(['dhcp', 'mosquitto', 'sshd', 'web']);
  const host = await gantryOk('-d', machine.target, 'revisions');
  expect((await ssh(['gsh', 'revisions'])).stdout).toBe(host.trim());
  expect((await ssh(['gsh ps | grep -c mosquitto'])).stdout).toBe('1');
  const script = await ssh(['gsh'], 'exec web sh -c "echo hello; exit 0"\nexec web sh -c "exit 7" # fails\nps\n');
  expect(script).toMatchObject({ code: 7, stdout: 'hello' });
  const unknown = await ssh(['gsh', 'restrat', 'web']);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain('restart');
  const { interfaces } = JSON.parse((await ssh(['gsh', 'net', '--json'])).stdout) as {
    interfaces: { name: string; addresses: string[] }[];
  };
  expect(interfaces.find(({ name }) => name === 'eth0')?.addresses[0]).toContain('10.0.2.15');
  expect((await ssh(['gsh', 'df'])).stdout).toContain('/var/lib/gantry');
});

it('on the serial line: prompt, completion, history, Ctrl-C', async () => {
  line.type('\r');
  await line.sees(/mosquitto up[^\n]*\r\n[^\n]* r0> $/);
  line.type('resta\t');
  await line.sees(/restart /);
  line.type('mosq\t\r');
  await line.sees(/mosquitto restarted/);
  await line.sees(/> $/);
  // What runs ends by Ctrl-C, the shell stays.
  line.type('logs -f web\r');
  await line.sees(/GET \/health/);
  line.type('\x03');
  await line.sees(/ r0!?> $/);
  line.type('\x1b[A\x1b[A');
  await line.sees(/restart mosquitto $/);
  line.type('\x03');
  await line.sees(/ r0!?> $/);
  // The real root shell, and back.
  line.type('sh\r');
  // busybox asks where the cursor is.
  await line.sees(/# (\x1b\[6n)?$/);
  line.type('readlink /proc/self/ns/mnt; readlink /proc/1/ns/mnt; exit\r');
  const [one, other] = [...(await line.sees(/mnt:[\s\S]*mnt:\[\d+\]\r\n/)).matchAll(/mnt:\[(\d+)\]/g)];
  expect(one?.[1]).toBe(other?.[1]);
  await line.sees(/ r0!?> $/);
  line.type('exit\r');
  await line.sees(/press Enter for a shell/);
  expect((await ssh(['cat', '/var/lib/gantry/gsh/history'])).stdout).toContain('restart mosquitto');
});

it('is a plain console again when a host that used the line was killed', async () => {
  line.close();
  const host = start(['-d', `qemu:e2e-gsh?via=serial`, 'logs', '-f', 'web']);
  let seen = '';
  host.stdout?.on('data', (chunk) => {
    seen += chunk;
  });
  await until('the host to follow', 60, async () => seen.includes('GET /health'));
  host.kill('SIGKILL');
  await host;
  line = new PlainLine(machine.emulator.instance.serial.path);
  // The device sees within 3 s that nobody answers; Enter before that goes into what nobody reads.
  await line.sees(/press Enter for a shell\s*$/, 30);
  line.type('\r');
  expect(await line.sees(/ r0!?> $/)).toMatch(/^[\x20-\x7e\s]*$/);
});

it('the plain shell stands in for an init container that does not work, and puts the factory revision in force', async () => {
  await gantryOk('-d', machine.target, 'swap', 'web', machine.web('2'));
  // It ends as soon as it starts, whatever the launcher tries.
  await ssh([
    'for root in /run/gantry/init/*/rootfs; do mv $root/usr/lib/gantry/init.mjs $root/usr/lib/gantry/init.kept; done; kill -9 $(head -n 1 /sys/fs/cgroup/gantry/init/cgroup.procs)',
  ]);
  await line.sees(/the init container does not answer; press Enter for a plain shell/, 90);
  line.type('\r');
  await line.sees(/plain> /);
  line.type('why\r');
  expect(await line.sees(/plain> /)).toMatch(/No init container runs|does not answer yet/);
  // By SSH too; containers do not depend on any init container.
  const plain = await ssh(['gsh', 'recover', 'ps']);
  expect(plain.stdout).toMatch(/web\S* +\d+ +running/);
  // Its end leaves the launcher held by the shell on the line.
  const held = 'ls /run/gantry/init/hold.* | cut -d. -f2 | while read pid; do tr "\\0" " " </proc/$pid/cmdline; done';
  expect((await ssh([held])).stdout).toContain('gsh-plain');
  line.type('revisions\r');
  await line.sees(/1 +current[\s\S]*0 +previous[\s\S]*plain> /);
  // A shell in which a kernel message comes every second is none.
  expect(machine.console().match(/watchdog did not stop/g)?.length ?? 0).toBeLessThan(10);
  await ssh([
    'for root in /run/gantry/init/*/rootfs; do mv $root/usr/lib/gantry/init.kept $root/usr/lib/gantry/init.mjs; done',
  ]);
  line.type('use factory\r');
  await line.sees(/revision 0 is in force/);
  await machine.untilHealthy();
  const list = JSON.parse(await gantryOk('-d', machine.target, 'revisions', '--json')) as RevisionList;
  expect(list.current).toBe(0);
  expect((await machine.component('web')).image).toBe('web:1');
  // The line is the init container's again.
  await line.sees(/press Enter for a shell/);
  line.type('\r');
  await line.sees(/ r0!?> $/);
});
