import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ListenSockets } from './listen-sockets.ts';
import { inRoot } from './machine-paths.ts';

let folder: string;
/** Stands for the cgroup of the holders: a file to which each writes when it enters. */
let cgroup: string;
let sockets: ListenSockets;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-listen-'));
  cgroup = join(folder, 'cgroup');
  mkdirSync(cgroup);
  writeFileSync(join(cgroup, 'cgroup.procs'), '');
});
afterEach(async () => {
  await sockets.keepOnly(new Set());
  rmSync(folder, { recursive: true });
});

test('on top of a distribution, a unix socket is where the programs of the machine look for it', async () => {
  const machine = join(folder, 'machine');
  mkdirSync(machine);
  sockets = new ListenSockets({ cgroup, find: (path) => inRoot(machine, path) });
  const address = `/run/${folder.split('/').at(-1)}/x.sock`;
  const [fd] = await sockets.open([address]);
  expect(fd).toBeGreaterThan(2);
  expect(sockets.addresses).toEqual([address]);
  expect(existsSync(address)).toBe(false);
  const inMachine = join(machine, address);
  expect(lstatSync(inMachine).isSocket()).toBe(true);
  const client = connect(inMachine);
  await once(client, 'connect');
  client.destroy();
  expect(readFileSync(join(cgroup, 'cgroup.procs'), 'utf8')).not.toBe('');
});

test('a path that is too long for a socket there is refused with a sentence', async () => {
  sockets = new ListenSockets({ cgroup, find: (path) => `/host${path}` });
  const address = `/run/${'x'.repeat(98)}`;
  await expect(sockets.open([address])).rejects.toThrow(
    `listen "${address}": its path is /host${address} for Gantry, 1 bytes more than the 107 that a socket's may have`,
  );
  expect(sockets.addresses).toEqual([]);
});
