import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildOs } from '../../../src/compose/build-os.ts';
import { connectDevice } from '../../../src/device/connect.ts';
import type { Device } from '../../../src/device/device.ts';
import { hostArch } from '../../../src/emulator/index.ts';
import { progressTo, type Say } from '../../e2e/support/compose.ts';
import { work } from '../../e2e/support/paths.ts';
import { until } from '../../e2e/support/until.ts';
import type { AtEnd } from '../../support/at-end.ts';
import { startInNamespaces } from '../restart/namespaces.ts';

export interface IdleDevice {
  device: Device;
  /** Of its API, as this machine sees it. */
  socket: string;
  /** Its PID 1, as this machine numbers it. */
  pid: number;
  /** Seconds from the start of the launcher until every container runs. */
  allRunning: number;
  stop(): Promise<void>;
}

export const whyNoContainers = (): string | undefined =>
  process.getuid?.() === 0 ? undefined : 'Not measured: containers need root. Run `npm run bench` as root.';

/** A device with so many containers that do nothing, natively on this machine's kernel. Needs root. */
export async function startIdleDevice(name: string, count: number, atEnd: AtEnd, say: Say): Promise<IdleDevice> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  atEnd.add(() => rmSync(folder, { recursive: true, force: true }));
  const services = Array.from({ length: count }, (_, i) => `  - { name: idle-${i + 1}, image: "idle:1" }`);
  const generated = join(folder, 'services.yml');
  writeFileSync(generated, `services:\n${services.join('\n')}\n`);
  const arch = hostArch();
  const outDir = join(work, `bench-${name}-${arch}`);
  const definitions = [join(import.meta.dirname, 'os.yml'), generated];
  await buildOs({ definitions, arch, outDir, relockGone: true, onProgress: progressTo(say) });

  say(`starting ${count} containers`);
  const started = performance.now();
  const script = join(import.meta.dirname, '../restart/device.sh');
  const options = { log: join(work, `bench-${name}.log`), cgroup: `gantry-bench-${name}-${process.pid}` };
  const namespaces = await startInNamespaces(script, [join(outDir, 'root.img'), folder], options);
  const stopNamespaces = atEnd.add(namespaces.stop);
  const socket = `/proc/${namespaces.pid}/root/run/docker.sock`;
  const device = await connectDevice(`unix:${socket}`, { patienceMs: 60_000 });
  const closeDevice = atEnd.add(() => device.close());
  await until(`${count} containers to run`, 300, async () => {
    const running = (await device.components()).filter(({ kind, state }) => kind === 'service' && state === 'running');
    return running.length === count;
  });
  const allRunning = (performance.now() - started) / 1000;
  const stop = async (): Promise<void> => {
    await closeDevice();
    await stopNamespaces();
  };
  return { device, socket, pid: namespaces.pid, allRunning, stop };
}
