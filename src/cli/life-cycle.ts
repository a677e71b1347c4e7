import type { Command } from 'commander';
import type { Device } from '../device/device.ts';
import { addDeviceOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { note } from './output.ts';
import { reportError } from './report-error.ts';
import { withDevice } from './with-device.ts';

interface LifeCycleCommand {
  name: 'start' | 'stop' | 'restart';
  summary: string;
  description: string;
  /** `stopped`, for the line that says it is done. */
  done: string;
  run(device: Device, component: string): Promise<void>;
}

/** start, stop and restart differ in one call. Each name is tried; the exit code tells whether all of them worked. */
export function registerLifeCycle(program: Command, what: LifeCycleCommand): void {
  const command = program
    .command(what.name)
    .summary(what.summary)
    .description(what.description)
    .argument('<name...>', 'system containers');
  addDeviceOptions(command).action(async (names: string[]) => {
    await withDevice(command, async ({ device }) => {
      let worst: number = exitCodes.ok;
      for (const name of names) {
        try {
          await what.run(device, name);
          note(`${name} ${what.done}`);
        } catch (error) {
          worst = Math.max(worst, reportError(error));
          if (device.connection.current.state !== 'connected') break;
        }
      }
      if (worst !== exitCodes.ok) throw new ExitError(worst);
    });
  });
}
