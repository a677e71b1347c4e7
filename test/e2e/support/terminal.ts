import { join } from 'node:path';
import { spawn } from '@lydell/node-pty';
import { root, testEnvironment } from './paths.ts';
import { until } from './until.ts';

/** A `gantry` in a terminal of its own, with a person's keys and eyes. */
export interface Terminal {
  type(keys: string): void;
  /** Waits for this text behind everything that was waited for before. */
  sees(text: string | RegExp, seconds?: number): Promise<void>;
  /** All that it has shown so far. */
  shown(): string;
  exit: Promise<number>;
  kill(): void;
}

/** Runs `gantry ARGS` in a terminal of 100 columns and 30 rows. */
export function openTerminal(args: string[]): Terminal {
  const child = spawn(join(root, 'node_modules/.bin/node'), [join(root, 'bin/gantry.mjs'), ...args], {
    env: { ...process.env, ...testEnvironment, TERM: 'xterm' },
    cwd: root,
    cols: 100,
    rows: 30,
  });
  let shown = '';
  let seen = 0;
  child.onData((data) => {
    shown += data;
  });
  const find = (text: string | RegExp): number => {
    if (typeof text === 'string') {
      const at = shown.indexOf(text, seen);
      return at < 0 ? at : at + text.length;
    }
    const found = text.exec(shown.slice(seen));
    return found ? seen + found.index + found[0].length : -1;
  };
  return {
    type: (keys) => child.write(keys),
    sees: async (text, seconds = 60) => {
      const look = async () => find(text) >= 0;
      await until(`${text} in the terminal`, seconds, look).catch((cause: Error) => {
        throw new Error(`${cause.message}; it shows ${JSON.stringify(shown.slice(-3000))}`, { cause });
      });
      seen = find(text);
    },
    shown: () => shown,
    exit: new Promise((resolve) => child.onExit(({ exitCode }) => resolve(exitCode))),
    kill: () => child.kill(),
  };
}
