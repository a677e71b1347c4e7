import type { Device } from '../../src/device/device.ts';
import { onDevice } from '../support/on-device.ts';

/** One process's memory, in KiB, as the kernel counts it. */
export interface MemoryOf {
  process: string;
  resident: number;
  /** Its share of what several processes map, plus all that is its own. */
  proportional: number;
  /** Written to by this process alone: what is free again when it ends. */
  private: number;
  anonymous: number;
}

const pidFiles = '/run/gantry/containers/*/conmon.pid';

/** Of the init container's Node and of every conmon. Throws when the device's kernel does not tell. */
export async function readMemory(device: Device): Promise<MemoryOf[]> {
  const { pid } = (await device.info()).init;
  const conmons = await onDevice(device, `for file in ${pidFiles}; do echo "$file $(cat $file)"; done`);
  const processes = [{ process: 'init container (Node)', pid: String(pid) }];
  for (const line of conmons.trim().split('\n')) {
    const [, component, conmon] = /([^/]+)\/conmon\.pid (\d+)$/.exec(line) ?? [];
    if (component === undefined || conmon === undefined) throw new Error(`the device answered something else: ${line}`);
    processes.push({ process: `conmon of ${component}`, pid: conmon });
  }
  const found: MemoryOf[] = [];
  for (const { process, pid } of processes) {
    const rollup = await onDevice(device, `cat /proc/${pid}/smaps_rollup`);
    const of = (key: string) => {
      const text = new RegExp(`^${key}: +(\\d+) kB`, 'm').exec(rollup)?.[1];
      if (text === undefined) throw new Error(`smaps_rollup of ${process} has no ${key}`);
      return Number(text);
    };
    found.push({
      process,
      resident: of('Rss'),
      proportional: of('Pss'),
      private: of('Private_Dirty'),
      anonymous: of('Anonymous'),
    });
  }
  return found;
}
