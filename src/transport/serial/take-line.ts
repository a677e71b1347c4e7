import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../shared/message-of.ts';
import { HeldLine } from './held-line.ts';
import type { Line } from './line.ts';
import { lockPort, PortInUseError } from './lock-file.ts';
import { openPort, type PortOptions } from './port.ts';
import { joinLine } from './sharing/guest-line.ts';
import { sharingPaths } from './sharing/paths.ts';
import { shareLine } from './sharing/share-line.ts';
import type { SerialTarget } from './target.ts';

/** What is known of a line beside its path: nothing of a real one. */
export interface TakeOptions extends PortOptions {
  /** An emulator's record of what its console printed. */
  consoleLog?: string;
}

/** Whoever has just taken the lock listens for others at once; a program that is none of ours never does. */
const LISTENS_WITHIN_MS = 1000;
const ASK_AGAIN_MS = 25;

/**
 * A serial line for this process: its port, when nobody has it, and from then on for others too; else through the gantry that
 * has it. Rejects with a `TransportError`: the port cannot be opened, or another program has it.
 */
export async function takeLine(target: SerialTarget, options: TakeOptions = {}): Promise<Line> {
  const paths = sharingPaths(target.path);
  const giveUpAt = performance.now() + LISTENS_WITHIN_MS;
  for (;;) {
    let release: () => void;
    try {
      release = lockPort(target.path);
    } catch (error) {
      if (!(error instanceof PortInUseError)) throw error;
      for (const path of paths) {
        const line = await joinLine(path, target);
        if (line) return line;
      }
      if (performance.now() > giveUpAt) throw error;
      await delay(ASK_AGAIN_MS);
      continue;
    }
    return hold(target, options, paths[0], release);
  }
}

async function hold(
  target: SerialTarget,
  options: TakeOptions,
  path: string | undefined,
  release: () => void,
): Promise<Line> {
  const { promise, resolve, reject } = Promise.withResolvers<HeldLine>();
  // Those who ask are told; nobody may have asked.
  promise.catch(() => undefined);
  const sharing = path === undefined ? undefined : shareLine(path, target, promise);
  try {
    const port = await openPort(target, options);
    let reason = `process ${process.pid}, which held the line, has closed it`;
    const line = new HeldLine(target, port, {
      ...(options.consoleLog !== undefined && { consoleLog: options.consoleLog }),
      release: () => {
        sharing?.stop();
        release();
        sharing?.tell(reason);
      },
    });
    port.stream.once('error', (error) => {
      reason = messageOf(error);
    });
    line.guests = () => sharing?.guests() ?? 0;
    resolve(line);
    return line;
  } catch (error) {
    sharing?.stop();
    release();
    reject(error);
    throw error;
  }
}
