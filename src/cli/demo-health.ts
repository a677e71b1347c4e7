import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Device } from '../device/device.ts';
import type { Instance } from '../emulator/index.ts';
import type { ComponentStatus } from '../shared/api/types.ts';
import { sanitizeText } from '../shared/text/sanitize.ts';

/** Milliseconds. Emulation on a busy machine is slow; what does not answer or is not healthy by then never will. */
export const bootLimitMs = 300_000;
const askEveryMs = 500;

/**
 * Resolves with the components once all are healthy; `onChange` tells what is waited for. Rejects with what is not, and
 * the end of the console, after `bootLimitMs`.
 */
export async function untilHealthy(
  device: Pick<Device, 'components'>,
  instance: Instance,
  onChange: (detail: string) => void,
): Promise<ComponentStatus[]> {
  const giveUpAt = performance.now() + bootLimitMs;
  let told = '';
  for (;;) {
    const components = await device.components();
    const waiting = components.filter((component) => !isHealthy(component));
    if (waiting.length === 0) return components;
    const words = waiting
      .map(({ name, state, health }) => `${name} ${state === 'running' ? health : state}`)
      .join(', ');
    if (performance.now() > giveUpAt) {
      const seconds = bootLimitMs / 1000;
      throw new Error(`Not healthy after ${seconds} s: ${words}. The end of the console:\n${consoleTail(instance)}`);
    }
    const detail = `${components.length - waiting.length} of ${components.length} healthy; ${words}`;
    if (detail !== told) onChange(detail);
    told = detail;
    await delay(askEveryMs);
  }
}

/** One that runs once has done so; one for the shutdown has nothing to do yet; the others run, and their check agrees. */
export function isHealthy(component: Pick<ComponentStatus, 'kind' | 'state' | 'health' | 'exitCode'>): boolean {
  const { kind, state, health, exitCode } = component;
  if (kind === 'onshutdown') return true;
  if (kind === 'onboot' && state === 'exited') return exitCode === 0;
  return state === 'running' && (health === 'healthy' || health === 'none');
}

/** The last lines of an emulator's console, safe to print. */
export function consoleTail(instance: Pick<Instance, 'consoleLog'>, lines = 20): string {
  const text = readFileSync(instance.consoleLog, 'utf8').trimEnd();
  return sanitizeText(text.split('\n').slice(-lines).join('\n'), { color: false });
}
