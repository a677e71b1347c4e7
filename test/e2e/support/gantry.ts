import { join } from 'node:path';
import { execa } from 'execa';
import { root, testEnvironment } from './paths.ts';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the `gantry` command as a person would and waits for its end. */
export async function gantry(...args: string[]): Promise<Outcome> {
  const result = await start(args);
  return { code: result.exitCode ?? -1, stdout: String(result.stdout), stderr: String(result.stderr) };
}

/** As `gantry`, and fails with what it said unless it ended well. */
export async function gantryOk(...args: string[]): Promise<string> {
  const outcome = await gantry(...args);
  if (outcome.code !== 0)
    throw new Error(`gantry ${args.join(' ')} ended with ${outcome.code}:\n${outcome.stderr}\n${outcome.stdout}`);
  return outcome.stdout;
}

export async function gantryJson<T>(...args: string[]): Promise<T> {
  return JSON.parse(await gantryOk(...args, '--json')) as T;
}

/** A running `gantry`: for what is watched or killed on the way, or typed into. */
export function start(
  args: string[],
  environment: Record<string, string> = {},
  stdin: 'ignore' | 'pipe' = 'ignore',
  // An upgrade waits for a machine to boot twice.
  timeout = 235_000,
) {
  return execa(join(root, 'node_modules/.bin/node'), [join(root, 'bin/gantry.mjs'), ...args], {
    reject: false,
    env: { ...testEnvironment, ...environment },
    cwd: root,
    stdin,
    timeout,
  });
}
