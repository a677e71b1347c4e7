import { runTui } from '../../src/tui/main.tsx';
import { FakeDevice } from './fake-device.ts';
import { serveCommands } from './fixture-commands.ts';

/** The terminal UI on a `FakeDevice`, in a process of its own. Arguments: the path of the socket that steers it. */
const [, , socketPath = ''] = process.argv;
const device = new FakeDevice();
const server = serveCommands(socketPath, device);

try {
  await runTui(device, { onExit: () => console.log('onExit was called') });
  console.log('runTui has returned');
} catch (error) {
  console.log(`runTui has failed: ${error instanceof Error ? error.message : error}`);
}
server.close();
process.exitCode ??= 0;
