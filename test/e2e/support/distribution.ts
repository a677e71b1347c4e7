import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { ComponentStatus } from '../../../src/shared/api/types.ts';
import { type Namespaces, startInNamespaces } from '../../bench/restart/namespaces.ts';
import type { Outcome } from './gantry.ts';
import { root, testEnvironment, work } from './paths.ts';
import { until } from './until.ts';

const diskBytes = 2 ** 31;

/**
 * A machine with this machine's own distribution (needs root, and systemd for `systemd`), on a disk of its own, in
 * namespaces: nothing of this machine changes. `gantry` and `ssh` run in its network.
 */
export class Distribution {
  readonly home: string;
  readonly #folder: string;
  readonly #init: 'systemd' | 'plain';
  #namespaces: Namespaces | undefined;

  constructor(init: 'systemd' | 'plain') {
    this.#init = init;
    this.#folder = join(work, `host-${init}`);
    this.home = join(this.#folder, 'home');
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(join(this.home, '.ssh'), { recursive: true, mode: 0o700 });
    mkdirSync(join(this.#folder, 'mnt'));
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(this.home, '.ssh', 'id_ed25519')]);
    writeFileSync(this.#disk, '');
    truncateSync(this.#disk, diskBytes);
    execFileSync('mkfs.ext4', ['-q', '-F', this.#disk]);
  }

  get #disk(): string {
    return join(this.#folder, 'disk.img');
  }

  get pid(): number {
    if (this.#namespaces === undefined) throw new Error('the machine is off');
    return this.#namespaces.pid;
  }

  get unix(): string {
    return `unix:/proc/${this.pid}/root/run/gantry/docker.sock`;
  }

  /** Switches it on: again with what its disk holds. */
  async boot(): Promise<void> {
    const script = join(import.meta.dirname, 'distribution.sh');
    const options = { log: join(this.#folder, 'boot.log'), cgroup: `gantry-e2e-host-${process.pid}` };
    const args = [this.#disk, join(this.#folder, 'mnt'), this.#init];
    this.#namespaces = await startInNamespaces(script, args, options);
    await until('the machine to be up', 60, async () =>
      this.#init === 'plain'
        ? (await this.sh('hostname')).stdout === 'board'
        : /running|degraded/.test((await this.sh('systemctl is-system-running')).stdout),
    );
  }

  /** Waits until it has switched itself off. */
  async untilOff(): Promise<void> {
    await this.#namespaces?.ended;
    this.#namespaces = undefined;
  }

  async stop(): Promise<void> {
    await this.#namespaces?.stop();
    this.#namespaces = undefined;
  }

  /** Runs a shell command on it as root. */
  sh(command: string, inputFile?: string): Promise<Outcome> {
    return this.#enter(['-m', '-p', '-u', '-n', '-C'], ['sh', '-c', command], inputFile);
  }

  async shOk(command: string, inputFile?: string): Promise<string> {
    return ok(command, await this.sh(command, inputFile));
  }

  /** A command of this machine in the other's network. */
  async beside(words: string[], inputFile?: string): Promise<Outcome> {
    return this.#enter(['-n'], words, inputFile);
  }

  gantry(...words: string[]): Promise<Outcome> {
    return this.beside([join(root, 'node_modules/.bin/node'), join(root, 'bin/gantry.mjs'), ...words]);
  }

  async gantryOk(...words: string[]): Promise<string> {
    return ok(`gantry ${words.join(' ')}`, await this.gantry(...words));
  }

  async components(target = this.unix): Promise<ComponentStatus[]> {
    return JSON.parse(await this.gantryOk('-d', target, 'ps', '-a', '--json')) as ComponentStatus[];
  }

  untilHealthy(target = this.unix): Promise<ComponentStatus[]> {
    return until('every service to be healthy', 60, async () => {
      const all = await this.components(target);
      const services = all.filter(({ kind }) => kind === 'service');
      const ill = services.filter((c) => c.state !== 'running' || (c.health !== 'healthy' && c.health !== 'none'));
      if (ill.length > 0) throw new Error(ill.map((c) => `${c.name} ${c.state} ${c.health} ${c.detail ?? ''}`).join());
      return services.length > 0 && all;
    });
  }

  /** PIDs by name of the services. */
  async pids(): Promise<Record<string, number | undefined>> {
    const all = await this.components();
    return Object.fromEntries(all.filter(({ kind }) => kind === 'service').map(({ name, pid }) => [name, pid]));
  }

  /** All that could be left behind: files on the disk, mounts, cgroups, processes. */
  async traces(): Promise<string[]> {
    const found = await this.shOk(
      [
        'find / -xdev ( -path /var/log -o -path /var/lib/systemd -o -path /root ) -prune -o -print',
        'cut -d" " -f5 /proc/self/mountinfo',
        'find /sys/fs/cgroup -type d -path "*gantry*"',
        'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; echo; done 2>/dev/null',
      ]
        .map((line) => line.replace('( ', '\\( ').replace(' )', ' \\)'))
        .join('; '),
    );
    return found.split('\n').filter((line) => /gantry|conmon|crun/.test(line) && !/gantry-test|\bsh -c\b/.test(line));
  }

  async #enter(namespaces: string[], words: string[], inputFile?: string): Promise<Outcome> {
    const result = await execa('nsenter', ['-t', String(this.pid), ...namespaces, '--', ...words], {
      reject: false,
      env: { ...testEnvironment, HOME: this.home },
      ...(inputFile === undefined ? { stdin: 'ignore' as const } : { inputFile }),
      timeout: 120_000,
    });
    return { code: result.exitCode ?? -1, stdout: String(result.stdout), stderr: String(result.stderr) };
  }
}

/** Loop devices of this machine whose file has this in its path. */
export function loopDevices(part: string): string[] {
  return readdirSync('/sys/block').filter((name) => {
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').includes(part);
    } catch {
      return false;
    }
  });
}

function ok(what: string, { code, stdout, stderr }: Outcome): string {
  if (code !== 0) throw new Error(`${what} ended with ${code}:\n${stderr}\n${stdout}`);
  return stdout;
}
