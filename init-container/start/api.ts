import { join } from 'node:path';
import { devicePaths, machinePaths } from '../../src/shared/device-paths.ts';
import { attachUpgrade } from '../api/attach.ts';
import type { ApiContext } from '../api/context.ts';
import { execUpgrade } from '../api/exec.ts';
import { ExecSessions } from '../api/exec-sessions.ts';
import { apiRoutes } from '../api/routes.ts';
import { createApiServer } from '../api/server.ts';
import { logsFolder } from '../engine/paths.ts';
import { LogWatcher } from '../logs/watcher.ts';
import { replaceFile } from '../native/atomic-file.ts';
import { journal } from '../native/journal.ts';
import { distribution } from '../native/machine.ts';
import type { ContainerSupervisor } from '../supervisor/supervisor.ts';
import type { Changing } from './changing.ts';
import type { Ending } from './ending.ts';
import type { DeviceState } from './state.ts';

/** Told to PID 1's launcher: the API answers. */
const readyMark = join(devicePaths.run, 'init.ready');

export const apiSocket = distribution === undefined ? devicePaths.apiSocket : machinePaths.apiSocketInside;

/** Answers from now on, also before the containers have been found again. */
export async function serveApi(
  state: DeviceState,
  supervisor: ContainerSupervisor,
  { partsCheck, swaps, collector, upgrades }: Changing,
  ending: Ending,
): Promise<{ close(): Promise<void> }> {
  const { image, revisions, store, volumes } = state;
  const context: ApiContext = {
    supervisor,
    store,
    volumes,
    sessions: new ExecSessions(),
    logs: new LogWatcher(logsFolder),
    version: image.gantry,
  };
  const routes = apiRoutes({
    ...context,
    image,
    marked: (statuses) => partsCheck.marked(statuses),
    revision: () => revisions.current(),
    watchdog: () => ending.running.watchdog?.status,
    power: (action) => ending.power(action),
    store,
    revisions,
    swaps,
    collector,
    upgrades,
  });
  const api = createApiServer(image.gantry, routes, [execUpgrade(context), attachUpgrade(context)]);
  await api.listen(apiSocket);
  await replaceFile(readyMark, `${process.pid}\n`, 0o644);
  journal(`the API answers at ${apiSocket}; revision ${revisions.current().number}`);
  return api;
}
