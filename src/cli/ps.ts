import type { Command } from 'commander';
import { uptimeText } from '../device/readings/component-rows.ts';
import type { ComponentStatus } from '../shared/api/types.ts';
import { formatBytes } from '../shared/text/format.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption, note, paint, printJson, table } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('ps')
    .summary('list the components')
    .description('Lists the system containers that run or should run; with -a every component of the device.')
    .option('-a, --all', 'also kernel, base and init container, and what has ended by itself');
  addJsonOption(addDeviceOptions(command)).action(async (options: { all?: boolean; json?: boolean }) => {
    await withDevice(command, async ({ device, color }) => {
      const components = (await device.components()).filter((component) => options.all || isOfInterest(component));
      if (options.json) printJson(components);
      else if (components.length === 0) note('No system container runs here. All components: gantry ps -a');
      else process.stdout.write(`${componentTable(components, color)}\n`);
    });
  });
}

/** What ended well was meant to end: an `onboot` container has done its work. */
function isOfInterest({ kind, state, exitCode }: ComponentStatus): boolean {
  if (kind === 'kernel' || kind === 'base' || kind === 'init') return false;
  if (kind === 'onshutdown' && state === 'created') return false;
  return !(state === 'exited' && exitCode === 0);
}

export function componentTable(components: ComponentStatus[], color: boolean): string {
  const rows = components.map((component) => [
    component.name,
    component.image,
    paint(stateColor(component), stateText(component), color),
    paint(component.health === 'unhealthy' ? 'red' : 'reset', healthText(component), color),
    uptimeText(component),
    String(component.restarts),
    component.memoryBytes === undefined ? '-' : formatBytes(component.memoryBytes),
    component.detail ?? '',
  ]);
  return table(['NAME', 'IMAGE', 'STATE', 'HEALTH', 'UPTIME', 'RESTARTS', 'MEMORY', 'DETAIL'], rows);
}

function stateText({ state, exitCode }: ComponentStatus): string {
  return state === 'exited' && exitCode !== undefined ? `exited (${exitCode})` : state;
}

function stateColor({ state, exitCode }: ComponentStatus): 'green' | 'red' | 'yellow' | 'reset' {
  if (state === 'running') return 'green';
  if (state === 'failed' || (state === 'exited' && exitCode !== 0)) return 'red';
  return state === 'starting' || state === 'stopping' || state === 'waiting' ? 'yellow' : 'reset';
}

function healthText({ health }: ComponentStatus): string {
  return health === 'none' ? '-' : health;
}
