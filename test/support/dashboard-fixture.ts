import { setTimeout as delay } from 'node:timers/promises';
import { runDashboard } from '../../src/dashboard/main.ts';
import { FakeDevice } from './fake-device.ts';
import { serveCommands } from './fixture-commands.ts';

/** The dashboard on a `FakeDevice`, in a process of its own. Arguments: the path of the socket that steers it. */
const [, , socketPath = ''] = process.argv;
const device = new FakeDevice();
const server = serveCommands(socketPath, device);

/** Letting a device go takes a while. */
async function onExit(): Promise<void> {
  await delay(50);
  console.log('onExit was called');
}

try {
  await runDashboard(device, { onExit });
  console.log('runDashboard has returned');
} catch (error) {
  console.log(`runDashboard has failed: ${error instanceof Error ? error.message : error}`);
}
server.close();
process.exitCode ??= 0;
