import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Load } from '../support/load.ts';
import { gantryOk } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { until } from './support/until.ts';

/** The demo's web server is swapped while people use it, on a booted device. */
let machine: Machine;
const folder = mkdtempSync(join(tmpdir(), 'gantry-e2e-handover-'));
beforeAll(async () => {
  machine = await boot('amd64', 'ssh', { name: 'handover' });
  await machine.untilHealthy();
});
afterAll(async () => {
  await machine?.stop();
  rmSync(folder, { recursive: true });
});

/** Calls `swap` while pages are asked for: no request fails, those of what runs afterwards included. */
async function useWhile(swap: (answers: () => Promise<void>) => Promise<void>): Promise<void> {
  const port = Number(machine.emulator.instance.ports['80']);
  // An emulated machine is slow, and callers of a busy one wait.
  const load = new Load({ host: '127.0.0.1', port, connections: 'fresh', rate: 10, timeoutMs: 60_000 });
  const answers = async () => {
    const { answered } = load;
    await until('answers', 60, async () => load.answered > answered + 5);
  };
  await answers();
  await swap(answers);
  const report = await load.stop();
  expect(report.failed).toEqual({});
  expect(report.answered).toBe(report.sent);
}

it('a swap by handover fails no request, and the page changes', () =>
  useWhile(async (answers) => {
    await gantryOk('-d', machine.target, 'swap', 'web', machine.web('2'));
    expect(await machine.page()).toContain('web 2');
    await answers();
    await gantryOk('-d', machine.target, 'rollback', 'web');
    expect(await machine.page()).toContain('web 1');
  }));

it('a swap by overlap fails no request, and the old one goes when the new one is healthy', async () => {
  const config = join(folder, 'overlap.yml');
  // A question to the port might be answered by the old one.
  const healthcheck = 'healthcheck: { test: [CMD, test, -d, /proc/1], interval: 1s }';
  writeFileSync(config, `swap: { strategy: overlap, stable: 1s }\n${healthcheck}\n`);
  const before = await machine.component('web');
  await useWhile(async (answers) => {
    const said = await gantryOk('-d', machine.target, 'swap', 'web', '--config', config, '--json');
    expect(said).toContain('beside the old');
    const after = await machine.component('web');
    expect(after).toMatchObject({ image: 'web:1', health: 'healthy' });
    expect(after.pid).not.toBe(before.pid);
    await answers();
    await gantryOk('-d', machine.target, 'swap', 'web', machine.web('2'));
    expect(await machine.page()).toContain('web 2');
    await answers();
  });
  const running = await gantryOk('-d', machine.target, 'sh', '-c', 'ls /run/gantry/containers | grep -c "^web"');
  expect(running.trim()).toBe('1');
});
