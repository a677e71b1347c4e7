import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Device } from '../device/device.ts';
import { suggestion } from '../device/nearest.ts';
import { TransportError } from '../transport/transport.ts';
import { addDeviceOptions } from './device-options.ts';
import { duration } from './duration.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { addJsonOption } from './output.ts';
import { type CommandContext, withDevice } from './with-device.ts';

interface DevCommandOptions {
  name?: string;
  once?: boolean;
  logs: boolean;
  stable: string;
  relockGone?: boolean;
  json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('dev')
    .summary('build a component and swap it on each save')
    .description(
      'Builds the image of the recipe in a folder and swaps it into a component of the device; then does that again whenever ' +
        'something is saved that the recipe uses, or that is in the folder. What does not build is shown and left; what is ' +
        'not healthy is taken back by the device, as with every swap. Below it, the log of the component. Ctrl-C ends it: the ' +
        'last version that was healthy goes on running.',
    )
    .argument('<dir>', 'the folder with the recipe.yml')
    .option('--name <component>', 'the component to swap (default: the name of the recipe’s image, without its tag)')
    .option('--once', 'build and swap once, and do not watch')
    .option('--stable <duration>', 'how long all must stay healthy before a version is kept', duration, '1s')
    .option('--relock-gone', 'where the archive no longer has a locked package, take what it has now')
    .option('--no-logs', 'leave the log of the component out');
  addJsonOption(addDeviceOptions(command)).action(async (dir: string, options: DevCommandOptions) => {
    const folder = resolve(dir);
    if (!existsSync(join(folder, 'recipe.yml'))) {
      throw new ExitError(exitCodes.usage, `${folder} has no recipe.yml; see docs/how-to/write-a-component.md`);
    }
    await withDevice(command, (context) => develop(realpathSync(folder), options, context));
  });
}

async function develop(dir: string, options: DevCommandOptions, context: CommandContext): Promise<void> {
  const { device, color, signal } = context;
  const [{ buildComponent, readRecipe }, { localStore }, { forgetImage }, { DevSession }, { DevJson, DevText }] =
    await Promise.all([
      import('../compose/component/build.ts'),
      import('../compose/oci/layout.ts'),
      import('../compose/oci/forget-image.ts'),
      import('../dev/session.ts'),
      import('./dev-report.ts'),
    ]);
  const name = options.name ?? componentOf((await readRecipe(dir)).image);
  const { arch } = await device.info();
  await expectComponent(device, name, dir);
  const layout = localStore();
  const report = options.json ? new DevJson() : new DevText(name, color);
  const session = new DevSession({
    device,
    name,
    dir,
    build: (hooks) => buildComponent(dir, arch, { layout, relockGone: options.relockGone ?? false, ...hooks }),
    imageOf: ({ ref }) => `oci:${layout.dir}:${ref}`,
    forget: (digest) => forgetImage(layout, digest),
    stable: options.stable,
    // Once there is nothing to follow: what it has to say is told when it fails.
    logs: options.logs && !options.once,
    report,
    signal,
  });
  signal.addEventListener('abort', () => report.end(session.lastWords));
  if (!options.once) return session.watch();
  const { result, cause } = await session.once();
  if (result.outcome === 'running' || result.outcome === 'unchanged') return;
  if (result.outcome === 'rolled-back') throw new ExitError(exitCodes.rolledBack);
  throw new ExitError(cause instanceof TransportError ? exitCodes.unreachable : exitCodes.failed);
}

/** `web` of `web:1`, `examples/web:1`. */
function componentOf(image: string): string {
  return image.replace(/:[^:/]*$/, '').replace(/^.*\//, '');
}

/** Before anything is built: a component cannot be added to a device while it runs. */
async function expectComponent(device: Device, name: string, dir: string): Promise<void> {
  const names = (await device.components()).map((component) => component.name);
  if (names.includes(name)) return;
  throw new ExitError(
    exitCodes.failed,
    `there is no component ${JSON.stringify(name)} on this device. ${suggestion(name, names)}\n` +
      `Swap another one: gantry dev ${dir} --name NAME. Or add it: name it under "services" of the OS definition, then ` +
      'compose and boot that (gantry build, gantry run), or bring it to the device with gantry upgrade',
  );
}
