import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupRoot, containerCgroup } from './paths.ts';

/** The kernel's own figures of one container. What its controllers do not offer is absent. */
export interface CgroupStats {
  cpu: { usageNs: number; userNs: number; systemNs: number; periods: number; throttled: number; throttledNs: number };
  memory?: { usage: number /** Absent when unlimited. */; limit?: number; stat: Record<string, number> };
  pids?: { current: number; limit?: number };
  io: { major: number; minor: number; op: 'read' | 'write'; value: number }[];
}

/** CPU and memory only: what a list of all containers needs. */
export async function readUsage(instance: string): Promise<{ usageNs: number; memoryBytes?: number } | undefined> {
  const folder = folderOf(instance);
  const [cpu, memory] = await Promise.all([text(`${folder}/cpu.stat`), text(`${folder}/memory.current`)]);
  if (cpu === undefined) return undefined;
  return { usageNs: (keyed(cpu).usage_usec ?? 0) * 1000, ...(memory ? { memoryBytes: Number(memory) } : {}) };
}

/** Undefined when the container is not running. */
export async function readCgroup(instance: string): Promise<CgroupStats | undefined> {
  const folder = folderOf(instance);
  const read = (file: string) => text(`${folder}/${file}`);
  const [cpuText, current, max, stat, pids, pidsMax, io] = await Promise.all(
    ['cpu.stat', 'memory.current', 'memory.max', 'memory.stat', 'pids.current', 'pids.max', 'io.stat'].map(read),
  );
  if (cpuText === undefined) return undefined;
  const cpu = keyed(cpuText);
  return {
    cpu: {
      usageNs: (cpu.usage_usec ?? 0) * 1000,
      userNs: (cpu.user_usec ?? 0) * 1000,
      systemNs: (cpu.system_usec ?? 0) * 1000,
      periods: cpu.nr_periods ?? 0,
      throttled: cpu.nr_throttled ?? 0,
      throttledNs: (cpu.throttled_usec ?? 0) * 1000,
    },
    memory:
      current === undefined
        ? undefined
        : { usage: Number(current), limit: limitOf(max), stat: stat === undefined ? {} : keyed(stat) },
    pids: pids === undefined ? undefined : { current: Number(pids), limit: limitOf(pidsMax) },
    io: parseIoStat(io ?? ''),
  };
}

/** All processes of the container, those in cgroups below it included. */
export async function processesOf(instance: string): Promise<number[]> {
  const collect = async (folder: string): Promise<number[]> => {
    const procs = (await text(`${folder}/cgroup.procs`)) ?? '';
    const below = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const nested = await Promise.all(below.filter((e) => e.isDirectory()).map((e) => collect(join(folder, e.name))));
    return [...procs.split('\n').filter(Boolean).map(Number), ...nested.flat()];
  };
  return (await collect(folderOf(instance))).sort((a, b) => a - b);
}

/** `key value` a line. */
export function keyed(content: string): Record<string, number> {
  const result: Record<string, number> = {};
  for (const line of content.split('\n')) {
    const [key, value] = line.split(' ');
    if (key && value !== undefined) result[key] = Number(value);
  }
  return result;
}

/** `8:0 rbytes=1 wbytes=2 …` a line. */
export function parseIoStat(content: string): CgroupStats['io'] {
  const result: CgroupStats['io'] = [];
  for (const line of content.split('\n')) {
    const device = /^(\d+):(\d+) /.exec(line);
    if (!device) continue;
    for (const [key, op] of [
      ['rbytes', 'read'],
      ['wbytes', 'write'],
    ] as const) {
      const value = new RegExp(` ${key}=(\\d+)`).exec(line)?.[1];
      if (value !== undefined)
        result.push({ major: Number(device[1]), minor: Number(device[2]), op, value: Number(value) });
    }
  }
  return result;
}

const folderOf = (instance: string) => `${cgroupRoot}${containerCgroup(instance)}`;

const limitOf = (content: string | undefined) =>
  content === undefined || content === 'max' ? undefined : Number(content);

async function text(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}
