import { Argument, type Command } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { note } from './output.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('power')
    .summary('reboot the device, or switch it off')
    .description('Shuts the device down in order: its onshutdown containers run, file systems are unmounted.')
    .addArgument(new Argument('<action>').choices(['reboot', 'poweroff']));
  registerPower(command, (words) => (words[0] === 'reboot' ? 'reboot' : 'poweroff'));
}

/** The action of a command that switches the device: as `actionIn` finds it in its words. */
export function registerPower(command: Command, actionIn: (words: string[]) => 'reboot' | 'poweroff'): void {
  addDeviceOptions(command).action(async () => {
    const action = actionIn(command.args);
    await withDevice(command, async ({ device }) => {
      await device.power(action);
      note(action === 'reboot' ? `${device.name} reboots` : `${device.name} is switching off`);
    });
  });
}
