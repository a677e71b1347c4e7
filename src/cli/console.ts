import { once } from 'node:events';
import type { Command } from 'commander';
import { resolveTarget } from '../device/resolve-target.ts';
import { serialTarget } from '../transport/index.ts';
import { resetModes } from '../tui/terminal/modes.ts';
import { addDeviceOptions, deviceOptions } from './device-options.ts';
import { ExitError, exitCodes } from './exit-codes.ts';
import { note } from './output.ts';
import { terminalSize } from './terminal-session.ts';

/** Ctrl-], as telnet has it. */
const leaveByte = 0x1d;

export function register(program: Command): void {
  const command = program
    .command('console')
    .summary('the serial console of a device')
    .description(
      'Joins this terminal to the console of a device on a serial line: a shell of its own, and what the kernel prints. ' +
        'With --plain the bare line, for boot loaders and systems without Gantry. Ctrl-] ends it.',
    )
    .option('--plain', 'the line as it is, without a link');
  addDeviceOptions(command).action(async (options: { plain?: boolean }) => {
    await runConsole(deviceOptions(command).device, options.plain ?? false);
  });
}

async function runConsole(device: string | undefined, plain: boolean): Promise<void> {
  const { name, endpoint } = await resolveTarget(device);
  if (endpoint.kind !== 'serial') {
    const other = name.startsWith('qemu:') ? `${name.split('?')[0]}?via=serial` : 'serial:/dev/TTY';
    throw new ExitError(
      exitCodes.usage,
      `${name} is not reached over a serial line: give -d ${other}, or use gantry sh`,
    );
  }
  const { SerialTransport } = await import('../transport/serial.ts');
  const transport = new SerialTransport(serialTarget(endpoint));
  try {
    const { stream, resize } = await transport.openConsole(terminalSize(), { plain });
    note(`${transport.description}; Ctrl-] ends this`);
    const { stdin, stdout } = process;
    const restore = () => {
      if (stdin.isTTY) stdin.setRawMode(false);
    };
    const onResize = () => resize(terminalSize());
    const leave = () => stream.destroy();
    const onInput = (chunk: Buffer) => {
      const end = chunk.indexOf(leaveByte);
      if (end !== 0) stream.write(end < 0 ? chunk : chunk.subarray(0, end));
      if (end >= 0) leave();
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const signal of signals) process.on(signal, leave);
    process.once('exit', restore);
    try {
      if (stdin.isTTY) stdin.setRawMode(true);
      stdout.on('resize', onResize);
      stdin.on('data', onInput);
      // What a pipe has to say ends; the console does not.
      stream.on('data', (chunk: Buffer) => stdout.write(chunk));
      await once(stream, 'close');
      if (stream.errored) throw stream.errored;
    } finally {
      for (const signal of signals) process.off(signal, leave);
      process.off('exit', restore);
      stdin.off('data', onInput);
      stdin.pause();
      stdout.off('resize', onResize);
      restore();
      if (stdout.isTTY) stdout.write(`${resetModes}\r\n`);
    }
  } finally {
    await transport.close();
  }
}
