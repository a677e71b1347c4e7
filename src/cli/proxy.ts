import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { addDeviceOptions } from './device-options.ts';
import { note } from './output.ts';
import { serveProxy } from './proxy-server.ts';
import { withDevice } from './with-device.ts';

export function register(program: Command): void {
  const command = program
    .command('proxy')
    .summary('a local Docker socket for this device')
    .description(
      'Serves the API of the device on a local socket, until Ctrl-C: then any Docker tool works against it, also when ' +
        'the device is at the end of a serial line.',
    )
    .option('--socket <path>', 'the socket (default: in XDG_RUNTIME_DIR, named after the device)');
  addDeviceOptions(command).action(async (options: { socket?: string }) => {
    await withDevice(command, async ({ device, signal }) => {
      const path = resolve(options.socket ?? defaultSocket(device.name));
      const proxy = await serveProxy(path, () => device.dial(), note);
      try {
        process.stdout.write(`export DOCKER_HOST=unix://${path}\n`);
        note(`${device.name} is served at ${path}; Ctrl-C ends it`);
        if (!signal.aborted) await once(signal, 'abort');
      } finally {
        await proxy.close();
      }
    });
  });
}

function defaultSocket(device: string): string {
  const dir = process.env.XDG_RUNTIME_DIR || tmpdir();
  return join(dir, `gantry-${device.replace(/[^A-Za-z0-9_.-]+/g, '-')}.sock`);
}
