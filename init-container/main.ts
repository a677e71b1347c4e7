import { mkdir } from 'node:fs/promises';
import { logsFolder } from './engine/paths.ts';
import { hasKernelOption } from './native/kernel-option.ts';
import { distribution } from './native/machine.ts';
import { apiSocket, serveApi } from './start/api.ts';
import { bringUp } from './start/bring-up.ts';
import { openChanging } from './start/changing.ts';
import { showHalt, startConsole } from './start/console.ts';
import { Ending } from './start/ending.ts';
import { keepLogs } from './start/logs.ts';
import { openState } from './start/state.ts';
import { openSupervisor, tellRevision } from './start/supervision.ts';
import { Watchdog } from './supervisor/watchdog.ts';

// The order is what a device needs: first who answers, then what runs.
await mkdir(logsFolder, { recursive: true });
const ending = new Ending();
let adopted = false;

const state = await openState();
const supervisor = await openSupervisor(state, {
  reboot: (reason) => void ending.rebootBecause(reason),
  halted: (halt) => void showHalt(halt, ending.running),
});
ending.running.supervisor = supervisor;
const changing = await openChanging({ state, supervisor, ending, isAdopted: () => adopted, apiSocket });
tellRevision(supervisor, state);
ending.running.api = await serveApi(state, supervisor, changing, ending);
ending.running.console = await startConsole(apiSocket, supervisor);
ending.running.logs = await keepLogs(state.persistent);
ending.listen();
// What the last process left to be done may take longer than the watchdog waits. A machine's own belongs to its distribution.
if (distribution === undefined && !hasKernelOption('gantry.watchdog=off'))
  void Watchdog.start(supervisor).then((watchdog) => {
    ending.running.watchdog = watchdog;
  });

await supervisor.adopt();
adopted = true;
await bringUp(supervisor, changing);
