import { devicePaths } from '../../src/shared/device-paths.ts';
import { reopenLogOf, writersOf } from '../engine/control-fifo.ts';
import { logsFolder } from '../engine/paths.ts';
import { LogKeeper } from '../logs/keeper.ts';
import { logSizes } from '../logs/sizes.ts';
import { collectSources } from '../logs/sources.ts';
import { journal } from '../native/journal.ts';

export interface KeptLogs {
  /** No more rotation. */
  close(): void;
  /** Nothing more of what the kernel and this process say. */
  closeSources(): void;
}

/** Keeps the logs within their sizes, and collects those of the kernel and of this process. */
export async function keepLogs(durable: boolean): Promise<KeptLogs> {
  const keeper = new LogKeeper({
    folder: logsFolder,
    reopen: reopenLogOf,
    alone: async (name) => (await writersOf(name)).length < 2,
    durable,
    sizes: () => logSizes(logsFolder),
    report: journal,
  });
  keeper.start();
  const closeSources = await collectSources({
    folder: logsFolder,
    initOutput: devicePaths.initOutput,
    report: journal,
  });
  return { close: () => keeper.close(), closeSources };
}
