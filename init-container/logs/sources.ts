import { join } from 'node:path';
import { InitSource } from './init-source.ts';
import { KernelSource } from './kernel-source.ts';

const pauseMs = 1000;

export interface SourcesOptions {
  /** Folder of the logs. */
  folder: string;
  /** Where the launcher puts what the init container says. */
  initOutput: string;
  report: (message: string) => void;
}

/** The logs that this process writes: `kernel` and `init`. Returns how to stop; what was said last is copied then. */
export async function collectSources({ folder, initOutput, report }: SourcesOptions): Promise<() => void> {
  const kernel = new KernelSource(join(folder, 'kernel.log'));
  const init = new InitSource(join(folder, 'init.log'), initOutput);
  await init.open();
  await kernel.open().catch((error: Error) => report(`the kernel's messages cannot be read: ${error.message}`));
  let failed = false;
  const collect = () => {
    try {
      init.collect();
      kernel.collect();
      failed = false;
    } catch (error) {
      // Said once: on a full disk it would only be said in the file that cannot be copied.
      if (!failed) report(`the logs of kernel and init cannot be written: ${(error as Error).message}`);
      failed = true;
    }
  };
  collect();
  const timer = setInterval(collect, pauseMs);
  return () => {
    clearInterval(timer);
    collect();
    kernel.close();
  };
}
