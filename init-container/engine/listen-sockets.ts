import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { longestSocketPath, parseListen } from '../../src/shared/definition/listen.ts';
import { hostCommand } from '../native/host-command.ts';
import { distribution } from '../native/machine.ts';
import { identify, type ProcessIdentity, signalProcess } from '../native/processes.ts';
import { openListening, takeDescriptor } from '../native/sockets.ts';
import { machinePath } from './machine-paths.ts';
import { cgroupRoot, socketsCgroup } from './paths.ts';

/** In the holder's environment: which address it holds. */
const mark = 'GANTRY_LISTEN';

/** The holder's descriptor of its socket. */
const heldAs = 3;

/** Enters the cgroup by itself, then only waits: 68 years, which is what busybox's `sleep` can count. */
const holderScript = 'echo 0 >"$0/cgroup.procs" || exit 1; echo ready; exec busybox sleep 2147483647';

/** On top of a distribution, who connects is the machine's, and so is the folder of a socket. */
const pathHere = (path: string) => (distribution === undefined ? path : machinePath(path));

interface Held {
  fd: number;
  holder: ProcessIdentity;
}

/**
 * The listening sockets that the device keeps open for components. Each is also held by a process that does nothing else,
 * in a cgroup of its own: so it stays open when the component is stopped, and when this process is killed or replaced. The
 * next one finds the holders by their cgroup and takes the sockets back; nothing about them is in a file that could be
 * wrong.
 */
export class ListenSockets {
  readonly #held = new Map<string, Held>();
  readonly #cgroup: string;
  readonly #find: (path: string) => string;
  #turn: Promise<unknown> = Promise.resolve();

  /** `find`: where a path of the device is for this process. */
  constructor({ cgroup = `${cgroupRoot}${socketsCgroup}`, find = pathHere } = {}) {
    this.#cgroup = cgroup;
    this.#find = find;
  }

  /** The addresses that are held now. */
  get addresses(): string[] {
    return [...this.#held.keys()];
  }

  /** Takes back what an earlier process of this kind left open. */
  adopt(): Promise<void> {
    return this.#inTurn(() => this.#adopt());
  }

  /** The descriptors of these addresses, in order, opened where they are not yet. Rejects with a sentence on the first that cannot be. */
  open(addresses: readonly string[]): Promise<number[]> {
    if (addresses.length === 0) return Promise.resolve([]);
    return this.#inTurn(async () => {
      const fds: number[] = [];
      for (const address of addresses) {
        const known = this.#held.get(address) ?? (await this.#openNew(address));
        fds.push(known.fd);
      }
      return fds;
    });
  }

  /** Closes all but these. A container that still has one of the others keeps it until it ends. */
  keepOnly(addresses: ReadonlySet<string>): Promise<void> {
    if (this.addresses.every((address) => addresses.has(address))) return Promise.resolve();
    return this.#inTurn(async () => {
      for (const [address, held] of this.#held) {
        if (addresses.has(address)) continue;
        this.#held.delete(address);
        closeSync(held.fd);
        await signalProcess(held.holder, 'SIGKILL');
      }
    });
  }

  async #openNew(address: string): Promise<Held> {
    let fd: number;
    try {
      const parsed = parseListen(address);
      const here = parsed.family === 'unix' ? { ...parsed, path: this.#place(parsed.path) } : parsed;
      fd = await openListening(here, address);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      // Perhaps a holder that an earlier process had only just started.
      await this.#adopt();
      const found = this.#held.get(address);
      if (found) return found;
      throw new Error(`${(error as Error).message}; another component or program listens there`, { cause: error });
    }
    try {
      const held = { fd, holder: await this.#startHolder(address, fd) };
      this.#held.set(address, held);
      return held;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** On top of a distribution the machine's files have longer paths here, and the kernel takes no more of them. */
  #place(path: string): string {
    const here = this.#find(path);
    const excess = Buffer.byteLength(here) - longestSocketPath;
    if (excess <= 0) return here;
    const least = `its path is ${here} for Gantry, ${excess} bytes more than the ${longestSocketPath} that a socket's may have`;
    throw new Error(`listen "${path}": ${least}; choose a shorter one`);
  }

  async #startHolder(address: string, fd: number): Promise<ProcessIdentity> {
    await mkdir(this.#cgroup, { recursive: true });
    const [file = '', ...args] = hostCommand(['busybox', 'sh', '-c', holderScript, this.#cgroup]);
    const child = spawn(file, args, {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore', fd],
      env: { PATH: process.env.PATH, [mark]: address },
    });
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
    const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`its holder ended with code ${code}`)));
    for (const never of [failed, ended]) never.catch(() => undefined);
    if (child.stdout === null) throw new Error('its holder has no output');
    await Promise.race([once(child.stdout, 'data'), failed, ended]);
    child.stdout.destroy();
    child.unref();
    const holder = child.pid === undefined ? undefined : await identify(child.pid);
    if (!holder) throw new Error(`the socket at ${address} cannot be kept: its holder ended at once`);
    return holder;
  }

  async #adopt(): Promise<void> {
    const text = await readFile(`${this.#cgroup}/cgroup.procs`, 'utf8').catch(() => '');
    for (const pid of text.split('\n').filter(Boolean).map(Number)) {
      const [holder, environment] = await Promise.all([
        identify(pid),
        readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
      ]);
      const address = environment
        .split('\0')
        .find((entry) => entry.startsWith(`${mark}=`))
        ?.slice(mark.length + 1);
      if (!holder || address === undefined || this.#held.has(address)) continue;
      const fd = await takeDescriptor(pid, heldAs);
      if (fd !== undefined) this.#held.set(address, { fd, holder });
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task, task);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
