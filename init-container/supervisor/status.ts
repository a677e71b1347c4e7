import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import type { ComponentStatus } from '../../src/shared/api/types.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import { readUsage } from '../engine/cgroup.ts';
import type { Component } from './component.ts';

/** When this process started; also the init container's start. */
export const initStartedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();

/**
 * The machine's clock, not this process's: readings before and after a restart of this process can be compared. In whole
 * milliseconds, so that most of a list has the same one: over a serial line a list costs what changed in it.
 */
const readAtNs = () => Math.round(Number(process.hrtime.bigint()) / 1e6) * 1e6;

/** What `/gantry/v1/components` tells about a system container. */
export async function statusOf(component: Component): Promise<ComponentStatus> {
  const { state, image } = component;
  const usage = component.running ? await readUsage(component.instance) : undefined;
  return {
    name: component.name,
    kind: component.kind,
    image: image?.ref ?? '',
    digest: image?.digest ?? 'sha256:',
    spec: component.record?.specKey,
    id: component.id,
    ...(component.beside ? { beside: true } : {}),
    state: component.componentState,
    health: component.health,
    detail: component.reason,
    pid: state.process?.pid,
    startedAt: state.startedAt,
    uptimeSeconds: component.uptimeMs === undefined ? undefined : Math.floor(component.uptimeMs / 1000),
    finishedAt: component.running ? undefined : state.finishedAt,
    exitCode: component.running ? undefined : state.exitCode,
    restarts: state.restarts,
    ...(usage ? { cpu: { usageNs: usage.usageNs, atNs: readAtNs() }, memoryBytes: usage.memoryBytes } : {}),
  };
}

/** Kernel, base and init: they run, or nobody would be answering. */
export async function statusOfPart(name: string, spec: ComponentSpec): Promise<ComponentStatus> {
  const status: ComponentStatus = {
    name,
    kind: spec.kind,
    image: spec.image.ref,
    digest: spec.image.digest,
    state: 'running',
    health: 'none',
    uptimeSeconds: Math.floor(spec.kind === 'init' ? process.uptime() : uptime()),
    restarts: 0,
  };
  if (spec.kind !== 'init') return status;
  const { user, system } = process.cpuUsage();
  return {
    ...status,
    pid: process.pid,
    startedAt: initStartedAt,
    cpu: { usageNs: (user + system) * 1000, atNs: readAtNs() },
    memoryBytes: (await processMemory(process.pid)).residentBytes,
  };
}

/** From /proc/PID/smaps_rollup: what is resident, and what only this process uses. */
export async function processMemory(pid: number): Promise<{ residentBytes: number; privateBytes: number }> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const kib = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return {
    residentBytes: kib('Rss') * 1024,
    privateBytes: (kib('Private_Dirty') + kib('Swap')) * 1024,
  };
}
