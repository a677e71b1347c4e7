import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type CgroupStats, readCgroup } from '../engine/cgroup.ts';
import type { Component } from '../supervisor/component.ts';
import type { ApiContext } from './context.ts';
import { boolOf } from './filters.ts';
import { sendJson, startJsonStream } from './respond.ts';
import type { Call, Route } from './router.ts';

/** The docker CLI blanks a row that gets nothing for two seconds. */
const sampleMs = 1000;

const never = '0001-01-01T00:00:00Z';

interface Sample {
  read: string;
  cpu: ReturnType<typeof cpuJson>;
  rest: object;
}

/** `GET /containers/{id}/stats`, streamed or once. */
export function statsRoutes(context: ApiContext): Route[] {
  return [{ method: 'GET', pattern: '/containers/{id}/stats', handler: (call) => sendStats(context, call) }];
}

async function sendStats({ supervisor }: ApiContext, { params, query, response }: Call): Promise<void> {
  const component = supervisor.find(params.id ?? '');
  const stream = query.get('stream') === null || boolOf(query.get('stream'));
  let before = await sample(component);
  if (!stream) {
    if (boolOf(query.get('one-shot')) || !before) return sendJson(response, 200, statsJson(component, before));
    await delay(sampleMs);
    return sendJson(response, 200, statsJson(component, await sample(component), before));
  }
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  const write = startJsonStream(response);
  write(statsJson(component, before));
  while (!abort.signal.aborted) {
    await delay(sampleMs, undefined, { signal: abort.signal }).catch(() => undefined);
    const now = await sample(component);
    // A client that does not read gets fewer samples, not a growing queue.
    if (now && !abort.signal.aborted && !response.writableNeedDrain) write(statsJson(component, now, before));
    before = now;
  }
}

/** Undefined when the container does not run. */
async function sample(component: Component): Promise<Sample | undefined> {
  const { process } = component.state;
  if (!component.running || !process) return undefined;
  const [cgroup, systemNs] = await Promise.all([readCgroup(component.instance), systemCpuNs()]);
  if (!cgroup) return undefined;
  const network = await readFile(`/proc/${process.pid}/net/dev`, 'utf8').catch(() => '');
  return {
    read: new Date().toISOString(),
    cpu: cpuJson(cgroup.cpu, systemNs),
    rest: {
      num_procs: 0,
      pids_stats: { current: cgroup.pids?.current ?? 0, ...(cgroup.pids?.limit ? { limit: cgroup.pids.limit } : {}) },
      memory_stats: memoryJson(cgroup.memory),
      blkio_stats: { io_service_bytes_recursive: cgroup.io },
      networks: parseNetDev(network),
    },
  };
}

function statsJson(component: Component, now: Sample | undefined, before?: Sample) {
  return {
    read: now?.read ?? never,
    preread: before?.read ?? never,
    id: component.id,
    name: `/${component.containerName}`,
    os_type: 'linux',
    ...(now?.rest ?? { num_procs: 0, pids_stats: {}, memory_stats: {}, blkio_stats: {} }),
    cpu_stats: now?.cpu ?? emptyCpu,
    precpu_stats: before?.cpu ?? emptyCpu,
  };
}

const emptyCpu = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

function cpuJson(cpu: CgroupStats['cpu'], systemNs: number) {
  return {
    cpu_usage: { total_usage: cpu.usageNs, usage_in_kernelmode: cpu.systemNs, usage_in_usermode: cpu.userNs },
    system_cpu_usage: systemNs,
    online_cpus: availableParallelism(),
    throttling_data: { periods: cpu.periods, throttled_periods: cpu.throttled, throttled_time: cpu.throttledNs },
  };
}

/** A limit of zero would make clients divide by it: without a limit it is the machine's memory. */
function memoryJson(memory: CgroupStats['memory']) {
  return { usage: memory?.usage ?? 0, stats: memory?.stat ?? {}, limit: memory?.limit ?? totalmem() };
}

/** All CPUs together since boot, from /proc/stat's first line (hundredths of a second; guest time is in user time). */
async function systemCpuNs(): Promise<number> {
  const line = (await readFile('/proc/stat', 'utf8')).split('\n', 1)[0] ?? '';
  const ticks = line.split(/\s+/).slice(1, 9).map(Number);
  return ticks.reduce((sum, value) => sum + value, 0) * 10_000_000;
}

/** /proc/net/dev as Docker's `networks`, without the loopback. */
export function parseNetDev(text: string): Record<string, Record<string, number>> {
  const networks: Record<string, Record<string, number>> = {};
  for (const line of text.split('\n')) {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line);
    if (!match?.[1] || match[1] === 'lo') continue;
    const n = (match[2] ?? '').trim().split(/\s+/).map(Number);
    const at = (index: number) => n[index] ?? 0;
    networks[match[1]] = {
      rx_bytes: at(0),
      rx_packets: at(1),
      rx_errors: at(2),
      rx_dropped: at(3),
      tx_bytes: at(8),
      tx_packets: at(9),
      tx_errors: at(10),
      tx_dropped: at(11),
    };
  }
  return networks;
}
