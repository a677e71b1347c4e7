import { readFile } from 'node:fs/promises';
import { parseByteSize } from '../../src/shared/byte-size.ts';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { cgroupRoot } from './paths.ts';

/** Podman's default: far above what a component needs, and a runaway one does not take the whole device's. */
const usualPids = 2048;

/** Microseconds; the kernel's own default. */
const cpuPeriod = 100_000;

/** Limits in Docker's words; what is not limited is absent. */
export interface Limits {
  memoryBytes?: number;
  nanoCpus?: number;
  pids?: number;
}

/**
 * The default limit of processes; undefined where the kernel's controller belongs to another system (cgroup v1 beside v2).
 * A limit that a definition asks for is not dropped like that: then the container does not start.
 */
export async function defaultPidsLimit(): Promise<number | undefined> {
  const controllers = await readFile(`${cgroupRoot}/cgroup.controllers`, 'utf8').catch(() => '');
  return controllers.trim().split(' ').includes('pids') ? usualPids : undefined;
}

/** The limits of a container: Compose's names, else what `resources` says, else `defaultPids`. */
export function limitsOf(config: ComponentConfig, defaultPids: number | undefined): Limits {
  const { memory, cpu, pids } = partsOf(config);
  const memoryBytes = memorySize(config) ?? positive(memory.limit);
  const quota = positive(cpu.quota);
  const fromQuota = quota && Math.round((quota / (positive(cpu.period) ?? cpuPeriod)) * 1e9);
  const nanoCpus = config.cpus === undefined ? fromQuota : Math.round(config.cpus * 1e9);
  const most = config.pids_limit ?? pids.limit ?? defaultPids;
  return {
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(nanoCpus === undefined ? {} : { nanoCpus }),
    ...(typeof most === 'number' && most > 0 ? { pids: most } : {}),
  };
}

/** `linux.resources` of the runtime configuration, without devices. */
export function resourcesOf(config: ComponentConfig, defaultPids: number | undefined): Record<string, unknown> {
  const { memory, cpu, pids } = partsOf(config);
  const bytes = memorySize(config);
  const most = config.pids_limit ?? pids.limit ?? defaultPids;
  const cpus = config.cpus === undefined ? {} : { quota: Math.round(config.cpus * cpuPeriod), period: cpuPeriod };
  return {
    ...config.resources,
    ...(bytes === undefined ? {} : { memory: { ...memory, limit: bytes } }),
    ...(config.cpus === undefined ? {} : { cpu: { ...cpu, ...cpus } }),
    // No limit is what a new cgroup has; to say so needs the controller.
    pids: typeof most === 'number' && most > 0 ? { ...pids, limit: most } : undefined,
  };
}

function memorySize({ mem_limit: size }: ComponentConfig): number | undefined {
  return typeof size === 'string' ? parseByteSize(size) : size;
}

function partsOf({ resources = {} }: ComponentConfig) {
  return { memory: part(resources.memory), cpu: part(resources.cpu), pids: part(resources.pids) };
}

const part = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const positive = (value: unknown) => (typeof value === 'number' && value > 0 ? value : undefined);
