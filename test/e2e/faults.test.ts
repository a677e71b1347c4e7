import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SwapEvent } from '../../src/shared/api/types.ts';
import { TestTerminal } from '../support/terminal.ts';
import { type Cut, cutBetween } from './support/cut.ts';
import { gantry, gantryJson, gantryOk, start } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { ociDir, root, testEnvironment } from './support/paths.ts';
import { until } from './support/until.ts';

/** Faults that the first issue names, on booted machines: cut lines, wrong content, missing programs. */
describe('over SSH', () => {
  let machine: Machine;
  let cut: Cut;
  let through: string[];
  beforeAll(async () => {
    machine = await boot('amd64', 'ssh', { name: 'faults-ssh' });
    await machine.untilHealthy();
    const { ssh } = machine.emulator.instance;
    if (ssh === undefined) throw new Error('no SSH');
    const made = await cutBetween(0, ssh.port);
    cut = made;
    const { port } = made.server.address() as AddressInfo;
    const home = mkdtempSync(join(tmpdir(), 'gantry-e2e-'));
    const known = readFileSync(ssh.knownHostsFile, 'utf8').replaceAll(`]:${ssh.port}`, `]:${port}`);
    writeFileSync(join(home, 'known_hosts'), known);
    const instance = {
      ...machine.emulator.instance,
      name: 'faults-cut',
      ssh: { ...ssh, port, knownHostsFile: join(home, 'known_hosts') },
    };
    writeInstance('faults-cut', instance);
    through = ['-d', 'qemu:faults-cut?via=ssh'];
  });
  afterAll(async () => {
    await cut?.close();
    await machine?.stop();
  });

  it('refuses an image with a wrong digest before anything stops', async () => {
    const dir = join(mkdtempSync(join(tmpdir(), 'gantry-e2e-')), 'oci');
    cpSync(ociDir('amd64'), dir, { recursive: true });
    flipByteInNewLayer(dir);
    const before = await machine.component('web');
    const outcome = await gantry('-d', machine.target, 'swap', 'web', `oci:${dir}:web:2`, '--json');
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toMatch(/sha256|digest/);
    const after = await machine.component('web');
    expect(after).toMatchObject({ pid: before.pid, startedAt: before.startedAt, image: 'web:1', health: 'healthy' });
  });

  it('ends a swap on the device when the connection is cut in its middle, and the host follows it again', async () => {
    const swapping = startSwap(through, machine.web('2'));
    await until('the swap to stop the old one', 60, async () => swapping.seen().includes('"stage":"stop"'));
    cut.cut();
    await until('web:2 to be in force', 60, async () => (await machine.component('web')).image === 'web:2');
    cut.mend();
    await swapping.endsWell();
    expect(await machine.page()).toContain('version 2');
  });

  it('swaps the network and the way in under the session that asks for it, and leaves the others alone', async () => {
    for (const name of ['dhcp', 'sshd']) {
      const before = await machine.components();
      await gantryOk('-d', machine.target, 'swap', name, '--env', 'SWAPPED=yes');
      const inspected = await gantryJson<{ Config: { Env: string[] } }>('-d', machine.target, 'inspect', name);
      expect(inspected.Config.Env).toContain('SWAPPED=yes');
      for (const one of (await machine.components()).filter(({ kind }) => kind === 'service')) {
        const old = before.find((component) => component.name === one.name);
        expect([one.name, one.health, one.pid === old?.pid]).toEqual([one.name, 'healthy', one.name !== name]);
      }
    }
  });

  it('says in the terminal UI that the connection is lost, and comes back by itself', async () => {
    await using ui = TestTerminal.start(
      join(root, 'node_modules/.bin/node'),
      [join(root, 'bin/gantry.mjs'), ...through],
      { columns: 120, rows: 40, env: testEnvironment, cwd: root },
    );
    await ui.waitFor(/web +web:2 +running +healthy/, 60_000);
    cut.cut();
    await ui.waitFor(/reconnecting/i, 60_000);
    cut.mend();
    await ui.waitFor(/● connected/, 60_000);
    ui.type('q');
    await ui.waitForExit();
  });
});

describe('over serial', () => {
  let machine: Machine;
  let cut: Cut;
  let socket: string;
  beforeAll(async () => {
    machine = await boot('amd64', 'serial', { name: 'faults-serial' });
    socket = join(mkdtempSync(join(tmpdir(), 'gantry-e2e-')), 'line.sock');
    cut = await cutBetween(socket, machine.emulator.instance.serial.path);
    await until('every component to be healthy', 120, async () => {
      const all = JSON.parse((await gantry('-d', `serial:${socket}`, 'ps', '--json')).stdout) as { health: string }[];
      return all.every((component) => component.health === 'healthy');
    });
  });
  afterAll(async () => {
    await cut?.close();
    await machine?.stop();
  });

  it('ends a swap on the device when the cable is pulled in its middle, and the host follows it again', async () => {
    const swapping = startSwap(['-d', `serial:${socket}`], machine.web('2'));
    await until('the swap to stop the old one', 60, async () => swapping.seen().includes('"stage":"stop"'));
    cut.cut();
    cut.mend();
    await swapping.endsWell();
  });
});

/** A swap of web that runs on, to be disturbed, and must end as if nothing had been. */
function startSwap(device: string[], image: string) {
  const child = start([...device, 'swap', 'web', image, '--json']);
  let seen = '';
  child.stdout?.on('data', (chunk) => {
    seen += chunk;
  });
  const endsWell = async () => {
    const outcome = await child;
    expect(String(outcome.stderr)).not.toMatch(/^gantry: /m);
    const events = seen
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as SwapEvent);
    expect(events.at(-1)?.stage).toBe('done');
    expect(outcome.exitCode).toBe(0);
  };
  return { seen: () => seen, endsWell };
}

describe('without QEMU', () => {
  it('says which package has it', async () => {
    const outcome = await gantryWithPath('/nonexistent', 'run', join(root, 'build/e2e/demo-amd64'), '--name', 'none');
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('qemu-system-x86');
  });
});

async function gantryWithPath(path: string, ...args: string[]) {
  const result = await start(args, { PATH: path });
  return { code: result.exitCode ?? -1, stderr: String(result.stderr) };
}

function writeInstance(name: string, instance: object): void {
  const dir = join(testEnvironment.XDG_STATE_HOME, 'gantry/qemu', name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'instance.json'), JSON.stringify(instance));
}

/** Spoils the smallest layer that only web:2 has: its page. */
function flipByteInNewLayer(dir: string): void {
  const blobs = join(dir, 'blobs/sha256');
  const manifestOf = (ref: string) => {
    const index = JSON.parse(readFileSync(join(dir, 'index.json'), 'utf8'));
    const found = index.manifests.find(
      (m: { annotations: Record<string, string> }) => m.annotations['org.opencontainers.image.ref.name'] === ref,
    );
    return JSON.parse(readFileSync(join(blobs, found.digest.slice(7)), 'utf8')) as { layers: { digest: string }[] };
  };
  const old = new Set(manifestOf('web:1').layers.map((layer) => layer.digest));
  const added = manifestOf('web:2').layers.find((layer) => !old.has(layer.digest));
  const path = join(blobs, (added?.digest ?? '').slice(7));
  expect(readdirSync(blobs)).toContain((added?.digest ?? '').slice(7));
  const data = readFileSync(path);
  data[statSync(path).size - 6] = (data[statSync(path).size - 6] ?? 0) ^ 1;
  writeFileSync(path, data);
}
