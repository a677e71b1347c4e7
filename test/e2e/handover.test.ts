import { afterAll, beforeAll, expect, it } from 'vitest';
import { Load } from '../support/load.ts';
import { gantryOk } from './support/gantry.ts';
import { boot, type Machine } from './support/machine.ts';
import { until } from './support/until.ts';

/** The demo's web server is swapped while people use it, on a booted device. */
let machine: Machine;
beforeAll(async () => {
  machine = await boot('amd64', 'ssh', { name: 'handover' });
  await machine.untilHealthy();
});
afterAll(() => machine?.stop());

it('a swap by handover fails no request, and the page changes', async () => {
  const port = Number(machine.emulator.instance.ports['80']);
  // An emulated machine is slow, and callers of a busy one wait.
  const load = new Load({ host: '127.0.0.1', port, connections: 'fresh', rate: 10, timeoutMs: 60_000 });
  await until('answers', 60, async () => load.answered > 5);
  await gantryOk('-d', machine.target, 'swap', 'web', machine.web('2'));
  expect(await machine.page()).toContain('web 2');
  const answered = load.answered;
  await until('answers of the new one', 60, async () => load.answered > answered + 5);
  await gantryOk('-d', machine.target, 'rollback', 'web');
  expect(await machine.page()).toContain('web 1');
  const report = await load.stop();
  expect(report.failed).toEqual({});
  expect(report.answered).toBe(report.sent);
});
