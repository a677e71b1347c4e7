import { describe, expect, it } from 'vitest';
import { watchStability } from './stability.ts';
import { factory, Machine, SimulatedSupervisor } from './test-support.ts';

function device() {
  const machine = new Machine();
  const supervisor = new SimulatedSupervisor(machine, factory);
  supervisor.bringUp(false);
  const watch = (more: object = {}) =>
    watchStability({ supervisor, swapped: ['web'], others: ['app'], stableMs: 60_000, recoverMs: 60_000, ...more });
  /** Something happens, and the engine tells of it, once it was looked at everything for the first time. */
  const then = (change: () => void, component = 'app') => {
    setImmediate(() => {
      change();
      supervisor.tell(component, 'die');
    });
  };
  return { machine, supervisor, watch, then };
}

type Device = ReturnType<typeof device>;

describe('the stability window', () => {
  it('ends well when nothing happens', async () => {
    await device().watch({ stableMs: 1 });
  });

  it.each([
    ['ended', 'it ended', ({ machine }: Device) => machine.up.delete('app')],
    ['became unhealthy', 'it became unhealthy', ({ supervisor }: Device) => supervisor.ill.set('app', 'unhealthy')],
    [
      'was restarted',
      'it was restarted',
      ({ machine }: Device) => machine.up.set('app', machine.run(factory.components.app ?? expect.fail())),
    ],
  ] as const)('fails at once when one of them %s', async (_what, reason, change) => {
    const all = device();
    const watching = all.watch();
    all.then(() => change(all));
    await expect(watching).rejects.toThrow(`app did not stay healthy: ${reason}`);
  });

  it('waits until those that depend on it are healthy again', async () => {
    const all = device();
    all.supervisor.ill.set('app', 'starting');
    const watching = all.watch({ stableMs: 1 });
    all.then(() => all.supervisor.ill.delete('app'));
    await watching;
  });

  it('does not wait for them for ever', async () => {
    const all = device();
    all.supervisor.ill.set('app', 'unhealthy');
    await expect(all.watch({ recoverMs: 1 })).rejects.toThrow(/app did not become healthy again .* health: unhealthy/);
  });

  it('fails when what was swapped is not healthy to begin with', async () => {
    const all = device();
    all.machine.up.delete('web');
    await expect(all.watch()).rejects.toThrow('web did not stay healthy: it ended');
  });
});
