import { readFile, stat } from 'node:fs/promises';
import { arch, availableParallelism, hostname, release, totalmem, uptime } from 'node:os';
import {
  type ComponentStatus,
  type DeviceInfo,
  powerRequestSchema,
  type WatchdogStatus,
} from '../../src/shared/api/types.ts';
import { devicePaths, type ImageInfo } from '../../src/shared/device-paths.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { distribution } from '../native/machine.ts';
import type { Collector } from '../store/collector.ts';
import { initStartedAt, processMemory } from '../supervisor/status.ts';
import type { ApiContext } from './context.ts';
import { readJson, sendJson } from './respond.ts';
import { HttpError, type Route } from './router.ts';

export interface DeviceContext extends ApiContext {
  image: ImageInfo;
  /** Adds to statuses what is wrong with init container, base and kernel. */
  marked: (statuses: ComponentStatus[]) => Promise<ComponentStatus[]>;
  /** The revision in force. */
  revision: () => { number: number; digest: Digest };
  collector: Pick<Collector, 'storage'>;
  watchdog: () => WatchdogStatus | undefined;
  /** Shuts the device down in order; resolves when that has begun for good. */
  power: (action: 'reboot' | 'poweroff') => Promise<void>;
}

/** `/gantry/v1/`: the device, its components, its power switch. */
export function deviceRoutes(context: DeviceContext): Route[] {
  let switching = false;
  return [
    {
      method: 'GET',
      pattern: '/gantry/v1/device',
      handler: async ({ response }) => sendJson(response, 200, await deviceInfo(context)),
    },
    {
      method: 'GET',
      pattern: '/gantry/v1/components',
      handler: async ({ response }) => sendJson(response, 200, await context.marked(await context.supervisor.status())),
    },
    {
      method: 'POST',
      pattern: '/gantry/v1/power',
      handler: async ({ request, response }) => {
        const { action } = await readJson(request, powerRequestSchema);
        if (distribution !== undefined) {
          const next = `To ${action} the machine, use its own means, for example in a shell on it`;
          throw new HttpError(501, `this machine belongs to ${distribution}, beside which Gantry runs. ${next}`);
        }
        if (switching) throw new HttpError(409, 'the device is shutting down already');
        switching = true;
        sendJson(response, 202, { message: `${action}: stopping the system containers` });
        try {
          await context.power(action);
        } finally {
          switching = false;
        }
      },
    },
  ];
}

async function deviceInfo({ image, revision, version, collector, watchdog }: DeviceContext): Promise<DeviceInfo> {
  const [bootId, memory, meminfo, storage, persistent] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    processMemory(process.pid),
    readFile('/proc/meminfo', 'utf8'),
    collector.storage(),
    stat(devicePaths.persistentMark).then(
      () => true,
      () => false,
    ),
  ]);
  const { number, digest } = revision();
  return {
    hostname: hostname(),
    arch: arch() === 'arm64' ? 'arm64' : 'amd64',
    kernel: release(),
    ...(distribution === undefined ? {} : { distribution }),
    image: { name: image.name, id: image.id },
    bootId: bootId.trim(),
    uptimeSeconds: uptime(),
    persistent,
    revision: { number, digest },
    init: { version, pid: process.pid, startedAt: initStartedAt, ...memory },
    cpus: availableParallelism(),
    memory: {
      totalBytes: totalmem(),
      availableBytes: Number(/^MemAvailable:\s+(\d+)/m.exec(meminfo)?.[1] ?? 0) * 1024,
    },
    storage,
    watchdog: watchdog(),
  };
}
