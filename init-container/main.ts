import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { devicePaths, type ImageInfo, machinePaths } from '../src/shared/device-paths.ts';
import type { ApiContext } from './api/context.ts';
import { execUpgrade } from './api/exec.ts';
import { ExecSessions } from './api/exec-sessions.ts';
import { apiRoutes } from './api/routes.ts';
import { createApiServer } from './api/server.ts';
import { startConsoleAgent } from './console/agent.ts';
import { consoleTty } from './console/console-tty.ts';
import { rescueLines } from './console/rescue.ts';
import { reopenLogOf, writersOf } from './engine/control-fifo.ts';
import { Engine } from './engine/engine.ts';
import { configOf } from './engine/image-config.ts';
import { logsFolder } from './engine/paths.ts';
import { Volumes } from './engine/volumes.ts';
import { LogKeeper } from './logs/keeper.ts';
import { logSizes } from './logs/sizes.ts';
import { collectSources } from './logs/sources.ts';
import { LogWatcher } from './logs/watcher.ts';
import { replaceFile } from './native/atomic-file.ts';
import { sayOnConsole } from './native/console-message.ts';
import { machineCommand } from './native/host-command.ts';
import { journal } from './native/journal.ts';
import { distribution } from './native/machine.ts';
import { spawnPty } from './native/pty.ts';
import { runOnHost } from './native/run.ts';
import { openParts } from './parts/open-parts.ts';
import { ping } from './parts/ping.ts';
import { Upgrades } from './parts/upgrade.ts';
import { openRevisions } from './revisions/revisions.ts';
import { fallBackUnlessWhole } from './revisions/whole.ts';
import { Collector } from './store/collector.ts';
import { openStore } from './store/image-store.ts';
import type { Halt } from './supervisor/fleet.ts';
import { StoppedByHand } from './supervisor/stopped-by-hand.ts';
import { ContainerSupervisor } from './supervisor/supervisor.ts';
import { Watchdog } from './supervisor/watchdog.ts';
import { FileJournal, readBootId } from './swap/journal.ts';
import { openSwaps } from './swap/swaps.ts';

/** Told to PID 1's launcher: the API answers. */
const readyMark = join(devicePaths.run, 'init.ready');

const apiSocket = distribution === undefined ? devicePaths.apiSocket : machinePaths.apiSocketInside;
const image = JSON.parse(await readFile(devicePaths.imageInfo, 'utf8')) as ImageInfo;
await mkdir(logsFolder, { recursive: true });

const revisions = await openRevisions({ log: journal });
const factory = revisions.get(0)?.revision ?? revisions.current().revision;
const store = await openStore({
  factoryImages: Object.values(factory.components).map((component) => component.image),
  checkedNote: join(devicePaths.run, 'layers-checked'),
  log: journal,
});
const checkedFrom = performance.now();
const damage = await fallBackUnlessWhole(revisions, store);
const checkedMs = Math.round(performance.now() - checkedFrom);
if (damage === undefined) journal(`all that is in force is whole: read in ${checkedMs} ms`);
else await sayOnConsole(damage);

const volumes = new Volumes({
  revision: () => revisions.current().revision,
  configFor: async (spec) => configOf(spec, await store.get(spec.image.digest)),
});
const supervisor = new ContainerSupervisor(new Engine(store, volumes), {
  reboot: (reason) => void rebootBecause(reason),
  halted: (halt) => void showHalt(halt),
  stopped: await StoppedByHand.open(join(devicePaths.data, 'stopped.json')),
});
const { revision, number } = revisions.current();
for (const [name, spec] of Object.entries(revision.components)) supervisor.setSpec(name, spec);

const persistent = await readFile(devicePaths.persistentMark).then(
  () => true,
  () => false,
);
const parts = await openParts({
  images: store,
  factory,
  image,
  persistent,
  works: (signal) => ping(apiSocket, signal),
  log: journal,
});
const swaps = await openSwaps({
  revisions,
  images: store,
  supervisor,
  journal: new FileJournal(join(devicePaths.data, 'swap.json'), journal),
  bootId: await readBootId(),
  processId: randomUUID(),
  swappers: parts.swappers,
  restart: async (effect) => (effect === 'reboot' ? power('reboot') : stop('a swap')),
  volumes,
  persistent,
  log: journal,
});

let adopted = false;
const collector = new Collector({
  store,
  revisions,
  data: devicePaths.data,
  imagesInUse: () => supervisor.instances().flatMap(({ record }) => (record ? [record.image.digest] : [])),
  volumeFolders: async (content) => {
    const folders = await volumes.volumeFolders(content);
    return folders.filter(({ persistence }) => persistence === 'revision').map(({ folder }) => folder);
  },
  busyWith: () => {
    // Until then it is not known which containers run from which images.
    if (!adopted) return 'the start';
    return swaps.latest === undefined || swaps.latest.ended ? undefined : 'a swap';
  },
  ...(damage === undefined ? {} : { damage }),
  log: journal,
});

const upgrades = new Upgrades({
  slots: parts.slots,
  image,
  persistent,
  supervisor,
  data: devicePaths.data,
  reboot: () => power('reboot'),
  log: journal,
});

const context: ApiContext = {
  supervisor,
  store,
  volumes,
  sessions: new ExecSessions(),
  logs: new LogWatcher(logsFolder),
  version: image.gantry,
};
let watchdog: Watchdog | undefined;
const api = createApiServer(
  image.gantry,
  apiRoutes({
    ...context,
    image,
    revision: () => revisions.current(),
    watchdog: () => watchdog?.status,
    power,
    store,
    revisions,
    swaps,
    collector,
    upgrades,
  }),
  [execUpgrade(context)],
);
await api.listen(apiSocket);
await replaceFile(readyMark, `${process.pid}\n`, 0o644);
journal(`the API answers at ${apiSocket}; revision ${number}`);

// A machine's console belongs to its distribution.
const tty = distribution === undefined ? consoleTty() : undefined;
const agent =
  tty === undefined
    ? undefined
    : startConsoleAgent({
        tty,
        openApi: () => connect({ path: apiSocket, allowHalfOpen: true }),
        openShell,
        leftRescue: () => supervisor.goOn(),
        log: journal,
      });

const logKeeper = new LogKeeper({
  folder: logsFolder,
  reopen: reopenLogOf,
  alone: async (name) => (await writersOf(name)).length < 2,
  durable: persistent,
  sizes: () => logSizes(logsFolder),
  report: journal,
});
logKeeper.start();
const stopSources = await collectSources({ folder: logsFolder, initOutput: devicePaths.initOutput, report: journal });
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop(signal));
// The service on top of a distribution asks for this before the machine goes down and before it is removed.
process.once('SIGPWR', () => void stopAll());

await supervisor.adopt();
adopted = true;
if (distribution === undefined) watchdog = await Watchdog.start(supervisor);
const noteHealthy = async () => {
  await parts.slots?.noteHealthy().catch((error: unknown) => journal(`cannot note that this kernel works: ${error}`));
};
const booted = supervisor.boot().then(noteHealthy);
await Promise.all([booted, swaps.recover().then(() => supervisor.settleLeftPairs())]);
await upgrades.settle();

/** Ends this process and nothing else: the containers go on, and the next init container finds them. */
async function stop(signal: string): Promise<void> {
  journal(`${signal}: ending; the system containers go on running`);
  logKeeper.close();
  supervisor.close();
  watchdog?.leave();
  await agent?.close();
  await api.close();
  stopSources();
  process.exit(0);
}

/** Ends the system containers in order, then this process. */
async function stopAll(): Promise<void> {
  journal('SIGPWR: stopping the system containers');
  await supervisor.shutDown();
  await stop('SIGPWR');
}

/** Everything in order first; then PID 1 does the rest, as for anyone who types `reboot`. */
async function power(action: 'reboot' | 'poweroff'): Promise<void> {
  journal(`${action}: stopping the system containers`);
  await supervisor.shutDown();
  if (action === 'poweroff') watchdog?.disarm();
  await runOnHost(['busybox', 'sync']);
  const result = await runOnHost(['busybox', action]);
  if (result.code !== 0) throw new Error(`busybox ${action} failed: ${result.stderr.trim()}`);
}

/** A component's definition asks for it. */
async function rebootBecause(reason: string): Promise<void> {
  const words = `${reason}: restarting the device, as its on_failure says`;
  journal(words);
  agent?.say(words);
  await power('reboot').catch((error: Error) => journal(error.message));
}

/** The console is where a person looks when a boot does not come to its end. */
async function showHalt(halt: Halt | undefined): Promise<void> {
  const lines = halt && (await rescueLines(halt));
  // It may have gone on while the log was being read.
  if (halt && supervisor.haltedAt !== halt.component.name) return;
  for (const line of lines ?? []) journal(line);
  agent?.rescue(lines);
}

async function openShell({ columns, rows }: { columns: number; rows: number }) {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', TERM: 'vt102' };
  const { stream, resize, exited, hangUp } = await spawnPty(machineCommand(['/bin/sh', '-l']), { columns, rows, env });
  stream.once('close', hangUp);
  return { stream, resize: async (c: number, r: number) => resize(c, r), exited };
}
