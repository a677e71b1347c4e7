import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { checkoutRoot } from '../../scripts/checkout.ts';
import { gantryCommand, howToConnect } from '../emulator/describe.ts';
import type { Instance } from '../emulator/index.ts';
import { catchSignals } from '../emulator/signals.ts';
import type { Arch } from '../shared/oci/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import { hostArch, parseArch } from './build.ts';
import { bootLimitMs, consoleTail, untilHealthy } from './demo-health.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { note, table } from './output.ts';
import { progressPrinter } from './progress.ts';

interface DemoOptions {
  arch: Arch;
  keep?: boolean;
  serialOnly?: boolean;
  name: string;
}

type Progress = ReturnType<typeof progressPrinter>;

export function register(program: Command): void {
  program
    .command('demo')
    .summary('build the demo OS, boot it in QEMU, open the terminal UI on it')
    .description(
      'Builds the demo OS, boots it in QEMU, waits until every component is healthy, and opens the terminal UI on it. ' +
        'Without a terminal it says how to connect instead. Nothing is left running unless --keep is given.',
    )
    .option('--arch <arch>', 'amd64 or arm64', parseArch, hostArch)
    .option('--keep', 'leave the device running at the end')
    .option('--serial-only', 'no network card: everything goes over the serial line')
    .option('--name <name>', 'name of the emulator', 'demo')
    .action(demo);
}

async function demo(options: DemoOptions): Promise<void> {
  const { listInstances } = await import('../emulator/index.ts');
  const running = listInstances().find(({ name }) => name === options.name);
  if (running !== undefined) {
    note(`The emulator "${options.name}" runs already (since ${running.startedAt}): connecting to it.`);
    await visit(running, progressPrinter());
    note(`It goes on running.\n${connectionWords(running)}`);
    return;
  }
  await bootAndVisit(options);
}

/** Build, boot, visit; then nothing is left, or, with `keep`, all of it. */
async function bootAndVisit(options: DemoOptions): Promise<void> {
  const { startEmulator } = await import('../emulator/index.ts');
  const progress = progressPrinter();
  const signals = catchSignals();
  const interrupted = new Promise<never>((_, reject) => {
    signals.caught.addEventListener('abort', () => reject(new ExitError(exitCodes.interrupted)), { once: true });
  });
  interrupted.catch(() => undefined);
  let starting: ReturnType<typeof startEmulator> | undefined;
  let kept: Instance | undefined;
  try {
    const imageDir = await Promise.race([buildDemo(options.arch, progress), interrupted]);
    progress.report({ step: 'boot', detail: 'starting QEMU' });
    starting = startEmulator({
      imageDir,
      name: options.name,
      memory: 1024,
      cpus: Math.min(2, availableParallelism()),
      serialOnly: options.serialOnly ?? false,
      ports: options.serialOnly ? [] : [{ guest: 80 }, { guest: 1883 }],
      detach: options.keep ?? false,
    });
    const { instance, exited, acceleration } = await Promise.race([starting, interrupted]);
    const with_ = acceleration === 'kvm' ? 'KVM' : 'emulation, no usable KVM here';
    progress.report({ step: 'boot', detail: `${instance.board} (${instance.arch}, ${with_})` });
    const ended = exited.then(() => {
      throw new Error(`The device switched itself off. What its console said last:\n${consoleTail(instance)}`);
    });
    ended.catch(() => undefined);
    await Promise.race([visit(instance, progress), ended, interrupted]);
    if (options.keep) kept = instance;
  } finally {
    signals.release();
    if (kept === undefined) await starting?.then((emulator) => emulator.stop()).catch(() => undefined);
  }
  if (kept !== undefined) note(`"${kept.name}" goes on running.\n${connectionWords(kept)}`);
  else if (!hasTerminal())
    note('The device was stopped. To keep one running and connect to it: npm run demo -- --keep');
}

/** Connects, waits for health, and opens the UI; without a terminal prints what runs. */
async function visit(instance: Instance, progress: Progress): Promise<void> {
  const { connectDevice } = await import('../device/connect.ts');
  const via = instance.ssh === undefined ? 'serial' : 'ssh';
  progress.report({ step: 'boot', detail: `waiting for an answer over ${via}` });
  const device = await connectDevice(`qemu:${instance.name}`, { patienceMs: bootLimitMs });
  try {
    const components = await untilHealthy(device, instance, (detail) => progress.report({ step: 'boot', detail }));
    progress.done(`all ${components.length} components are healthy`);
    if (!hasTerminal()) {
      const rows = components.map(({ name, image, state, health }) => [name, image, state, health]);
      note(table(['NAME', 'IMAGE', 'STATE', 'HEALTH'], rows));
      return;
    }
    const { runTui } = await import('../tui/main.tsx');
    await runTui(device);
  } finally {
    await device.close();
  }
}

/** Builds the demo's image, or finds that it is built. Returns its folder. */
async function buildDemo(arch: Arch, progress: Progress): Promise<string> {
  const { buildOs } = await import('../compose/build-os.ts');
  const { ensureDemoKey } = await import('../emulator/index.ts');
  const root = checkoutRoot();
  const authorizedKeys = { path: '/etc/gantry/authorized_keys', source: ensureDemoKey().publicKeyFile, mode: '0600' };
  const built = await buildOs({
    definitions: [join(root, 'images/demo.yml')],
    arch,
    outDir: join(root, 'build/demo', arch),
    extraFiles: [authorizedKeys],
    relockGone: true,
    onProgress: progress.report,
  });
  // What the demo is for: something to swap to, and something that rolls back.
  const { buildComponent } = await import('../compose/component/build.ts');
  const { localStore } = await import('../compose/oci/layout.ts');
  for (const name of ['web-2', 'web-broken']) {
    const options = { layout: localStore(), relockGone: true, onProgress: progress.report };
    await buildComponent(join(root, 'images', name), arch, options);
  }
  const parts = Object.entries(built.sizes).map(([part, bytes]) => `${part} ${formatBytes(bytes)}`);
  progress.done(`${built.reused ? 'image is up to date' : 'image built'}: ${parts.join(', ')}`);
  return built.dir;
}

/** Whether a person sits in front of us: both ways, or the UI could not be used. */
function hasTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

function connectionWords(instance: Instance): string {
  return howToConnect(instance, gantryCommand(join(checkoutRoot(), 'bin/gantry.mjs')));
}
