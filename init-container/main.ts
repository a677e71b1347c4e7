import { mkdir } from 'node:fs/promises';
import { logsFolder } from './engine/paths.ts';
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

await supervisor.adopt();
adopted = true;
// A machine's watchdog belongs to its distribution.
if (distribution === undefined) ending.running.watchdog = await Watchdog.start(supervisor);
await bringUp(supervisor, changing);
