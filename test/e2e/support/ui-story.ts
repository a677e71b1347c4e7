import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Arch } from '../../../src/shared/oci/types.ts';
import { TestTerminal } from '../../support/terminal.ts';
import { boot, type Machine, type Via } from './machine.ts';
import { root, testEnvironment } from './paths.ts';

/** The same story as a person sees it: the terminal UI in a real pseudo-terminal, on a booted device. */
export function uiStory(arch: Arch, via: Via): void {
  describe(`terminal UI, ${arch} over ${via}`, () => {
    let machine: Machine;
    let ui: TestTerminal;
    const long = 90_000;

    /** Puts the mark on a component, from wherever it is. */
    const select = async (name: string) => {
      const marked = new RegExp(`▸ *${name} `);
      const rows = ui.rows();
      const from = rows.findIndex((row) => row.includes('▸'));
      const to = rows.findIndex((row) => new RegExp(`^[ ▸]+${name} `).test(row));
      ui.type((to > from ? 'j' : 'k').repeat(Math.abs(to - from)));
      await ui.waitFor(marked);
    };
    const swapTo = async (image: string, plan = /y\b/) => {
      await select('web');
      ui.type('x');
      await ui.waitFor(/image/i);
      ui.paste(image);
      ui.press('enter');
      await ui.waitFor(plan, long);
      ui.type('y');
    };

    beforeAll(async () => {
      machine = await boot(arch, via, { name: `ui-${arch}-${via}` });
      if (via === 'ssh') await machine.untilHealthy();
      ui = TestTerminal.start(
        join(root, 'node_modules/.bin/node'),
        [join(root, 'bin/gantry.mjs'), '-d', machine.target],
        { columns: 120, rows: 40, env: testEnvironment, cwd: root },
      );
    });
    afterAll(async () => {
      ui?.kill();
      await machine?.stop();
    });

    it('shows the table', async () => {
      await ui.waitFor(/web +web:1 +running +healthy/, long);
      for (const name of ['dhcp', 'sshd', 'mosquitto', 'kernel', 'init']) await ui.waitFor(name);
    });

    it('follows a log and comes back', async () => {
      await select('web');
      ui.type('l');
      await ui.waitFor(/GET \/health/, long);
      ui.type('q');
      await ui.waitFor(/mosquitto +mosquitto:2/, long);
    });

    it('restarts a component', async () => {
      await select('web');
      ui.type('r');
      await ui.waitFor(/restart/i);
      ui.type('y');
      await ui.waitFor(/web restarted/, long);
      await ui.waitFor(/web +web:1 +running +healthy/, long);
    });

    it('swaps a component and shows the stages to the end', async () => {
      await swapTo(machine.web('2'), /Sends 2\d\d B: 1 whole layer/);
      await ui.waitFor(/probe/, long);
      await ui.waitFor(/done .*revision 1/, long);
      ui.type('q');
      await ui.waitFor(/web +web:2 +running +healthy/, long);
    });

    it('shows how a broken one rolls back by itself', async () => {
      await swapTo(machine.web('broken'));
      await ui.waitFor(/rolled back/, long);
      ui.type('q');
      await ui.waitFor(/web +web:2 +running +healthy/, long);
    });

    it('rolls back by hand', async () => {
      await select('web');
      ui.type('b');
      await ui.waitFor(/type web/i, long);
      ui.type('web');
      ui.press('enter');
      await ui.waitFor(/done/, long);
      ui.type('q');
      await ui.waitFor(/web +web:1 +running +healthy/, long);
    });

    it('opens a shell in a container and on the device, and comes back unharmed', async () => {
      await select('web');
      ui.type('e');
      await ui.waitFor(/exit or ctrl-d/, long);
      ui.type('echo in-$((40+2))-container; exit\r');
      await ui.waitFor(/web +web:1 +running +healthy/, long);
      expect(ui.written().toString()).toContain('in-42-container');
      ui.type('!');
      await ui.waitFor(/exit or ctrl-d/, long);
      ui.type('echo on-$((40+3))-$(cat /proc/1/comm); exit\r');
      await ui.waitFor(/web +web:1 +running +healthy/, long);
      expect(ui.written().toString()).toMatch(/on-43-(busybox|init)/);
      ui.type('?');
      await ui.waitFor(/Select a component/);
      ui.press('escape');
      await ui.waitForGone(/Select a component/);
    });

    it('leaves the terminal as it was', async () => {
      ui.type('q');
      expect(await ui.waitForExit()).toMatchObject({ exitCode: 0 });
    });
  });
}
