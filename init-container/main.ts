import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { devicePaths, type ImageInfo } from '../src/shared/device-paths.ts';
import type { ApiContext } from './api/context.ts';
import { execUpgrade } from './api/exec.ts';
import { ExecSessions } from './api/exec-sessions.ts';
import { apiRoutes } from './api/routes.ts';
import { createApiServer } from './api/server.ts';
import { startConsoleAgent } from './console/agent.ts';
import { consoleTty } from './console/console-tty.ts';
import { Engine } from './engine/engine.ts';
import { logsFolder } from './engine/paths.ts';
import { rotateLogs } from './logs/rotate.ts';
import { LogWatcher } from './logs/watcher.ts';
import { replaceFile } from './native/atomic-file.ts';
import { hostCommand } from './native/host-command.ts';
import { journal } from './native/journal.ts';
import { spawnPty } from './native/pty.ts';
import { runOnHost } from './native/run.ts';
import { openRevisions } from './revisions/revisions.ts';
import { openStore } from './store/image-store.ts';
import { ContainerSupervisor } from './supervisor/supervisor.ts';
import { FileJournal, readBootId } from './swap/journal.ts';
import { openSwaps } from './swap/swaps.ts';

/** Told to PID 1's launcher: the API answers. */
const readyMark = join(devicePaths.run, 'init.ready');

const image = JSON.parse(await readFile(devicePaths.imageInfo, 'utf8')) as ImageInfo;
await mkdir(logsFolder, { recursive: true });

const revisions = await openRevisions({ log: journal });
const factory = revisions.get(0)?.revision ?? revisions.current().revision;
const store = await openStore({
  factoryImages: Object.values(factory.components).map((component) => component.image),
  log: journal,
});

const supervisor = new ContainerSupervisor(new Engine(store));
const { revision, number } = revisions.current();
for (const [name, spec] of Object.entries(revision.components)) supervisor.setSpec(name, spec);

const persistent = await readFile(devicePaths.persistentMark).then(
  () => true,
  () => false,
);
const swaps = await openSwaps({
  revisions,
  images: store,
  supervisor,
  journal: new FileJournal(join(devicePaths.data, 'swap.json'), journal),
  bootId: await readBootId(),
  processId: randomUUID(),
  swappers: {},
  restart: async (effect) => (effect === 'reboot' ? power('reboot') : stop('a swap')),
  volumes: {
    mustFit: async () => undefined,
    copyRevisionVolume: (name) => Promise.reject(new Error(`the volume ${name} cannot be copied on this device`)),
  },
  persistent,
  log: journal,
});

const context: ApiContext = {
  supervisor,
  store,
  sessions: new ExecSessions(),
  logs: new LogWatcher(logsFolder),
  version: image.gantry,
};
const api = createApiServer(
  image.gantry,
  apiRoutes({ ...context, image, revision: () => revisions.current(), power, store, revisions, swaps }),
  [execUpgrade(context)],
);
await api.listen(devicePaths.apiSocket);
await replaceFile(readyMark, `${process.pid}\n`, 0o644);
journal(`the API answers at ${devicePaths.apiSocket}; revision ${number}`);

const tty = consoleTty();
const agent =
  tty === undefined
    ? undefined
    : startConsoleAgent({
        tty,
        openApi: () => connect({ path: devicePaths.apiSocket, allowHalfOpen: true }),
        openShell,
        log: journal,
      });

const stopRotation = rotateLogs(logsFolder);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(signal));

await supervisor.adopt();
await Promise.all([supervisor.boot(), swaps.recover().then(() => supervisor.settleLeftPairs())]);

/** Ends this process and nothing else: the containers go on, and the next init container finds them. */
async function stop(signal: string): Promise<void> {
  journal(`${signal}: ending; the system containers go on running`);
  stopRotation();
  supervisor.close();
  await agent?.close();
  await api.close();
  process.exit(0);
}

/** Everything in order first; then PID 1 does the rest, as for anyone who types `reboot`. */
async function power(action: 'reboot' | 'poweroff'): Promise<void> {
  journal(`${action}: stopping the system containers`);
  await supervisor.shutDown();
  await runOnHost(['busybox', 'sync']);
  const result = await runOnHost(['busybox', action]);
  if (result.code !== 0) throw new Error(`busybox ${action} failed: ${result.stderr.trim()}`);
}

async function openShell({ columns, rows }: { columns: number; rows: number }) {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', TERM: 'vt102' };
  const { stream, resize, exited, hangUp } = await spawnPty(hostCommand(['/bin/sh', '-l']), { columns, rows, env });
  stream.once('close', hangUp);
  return { stream, resize: async (c: number, r: number) => resize(c, r), exited };
}
