import type { Command } from 'commander';
import { addDevice, readDevices, removeDevice } from '../device/known-devices.ts';
import { listInstances } from '../emulator/instance.ts';
import { addJsonOption, note, printJson, table } from './output.ts';

export function register(program: Command): void {
  const device = program.command('device').summary('the devices that are known here').description('Names for devices.');
  device
    .command('add')
    .description('Remembers a device under a name. A name that is taken is changed.')
    .argument('<name>', 'what to call it')
    .argument('<target>', 'ssh://[USER@]HOST[:PORT], serial:/dev/TTY[?baud=N&fast=N], unix:/PATH or qemu:NAME')
    .action(async (name: string, target: string) => {
      const added = await addDevice(name, target);
      note(`${added.name} is ${added.target}`);
    });
  addJsonOption(device.command('ls').description('Lists the known devices, and the emulators that run here.')).action(
    async (options: { json?: boolean }) => {
      const devices = [
        ...(await readDevices()).map((known) => ({ ...known, source: 'added' })),
        ...listInstances().map(({ name }) => ({ name: `qemu:${name}`, target: `qemu:${name}`, source: 'running' })),
      ];
      if (options.json) printJson(devices);
      else if (devices.length === 0) note('No device is known. Add one: gantry device add NAME TARGET');
      else
        process.stdout.write(
          `${table(
            ['NAME', 'TARGET', 'SOURCE'],
            devices.map((d) => [d.name, d.target, d.source]),
          )}\n`,
        );
    },
  );
  device
    .command('rm')
    .description('Forgets a device.')
    .argument('<name>', 'its name')
    .action(async (name: string) => {
      await removeDevice(name);
      note(`${name} is forgotten`);
    });
}
