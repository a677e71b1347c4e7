import { type Command, Option } from 'commander';
import type { HostKeyQuestion, SshOptions } from '../transport/index.ts';

export interface DeviceOptions {
  device?: string;
  acceptNewHostKey: boolean;
  /** False with --no-color, with NO_COLOR (https://no-color.org), or when nobody sees colours. */
  color: boolean;
}

/** People write -d before the command or after it: every command that talks to a device takes both. */
export function addDeviceOptions(command: Command, options: { visible: boolean } = { visible: false }): Command {
  const all = [
    new Option('-d, --device <device>', 'the device to talk to (default: GANTRY_DEVICE, else the only one)'),
    new Option('--accept-new-host-key', 'take and remember the SSH key of a device that is not known yet'),
    new Option('--no-color', 'no colours (also: NO_COLOR)'),
  ];
  for (const option of all) command.addOption(options.visible ? option : option.hideHelp());
  return command;
}

/** The options in force: the command's own over the program's. */
export function deviceOptions(command: Command): DeviceOptions {
  const levels: Record<string, unknown>[] = [];
  for (let level: Command | null = command; level; level = level.parent) levels.push(level.opts());
  const device = levels.map((level) => level.device).find((value) => typeof value === 'string');
  return {
    ...(typeof device === 'string' && { device }),
    acceptNewHostKey: levels.some((level) => level.acceptNewHostKey === true),
    color: levels.every((level) => level.color !== false) && !process.env.NO_COLOR && process.stdout.isTTY === true,
  };
}

/** How SSH is to be used on behalf of a person: asked about unknown hosts only when there is a terminal to ask on. */
export function sshOptions(options: DeviceOptions): SshOptions {
  const canAsk = process.stdin.isTTY === true && process.stderr.isTTY === true;
  return { acceptNewHostKey: options.acceptNewHostKey, ...(canAsk && { confirmHostKey }) };
}

async function confirmHostKey({ host, type, fingerprint }: HostKeyQuestion): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    terminal.write('');
    process.stderr.write(`${host} is not known. It shows the key\n  ${type} ${fingerprint}\n`);
    for (;;) {
      const answer = (await terminal.question('Is this the device, and shall its key be remembered? yes/no ')).trim();
      if (answer === 'yes') return true;
      if (answer === 'no' || answer === '') return false;
    }
  } finally {
    terminal.close();
  }
}
