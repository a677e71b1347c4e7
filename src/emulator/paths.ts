import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** The XDG base directory specification tells to ignore a value that is not absolute. */
function base(variable: string, fallback: string): string {
  const value = process.env[variable];
  return join(value !== undefined && isAbsolute(value) ? value : join(homedir(), fallback), 'gantry');
}

/** What Gantry keeps on the host between runs: running emulators, the demo's key. */
export function stateDir(): string {
  return base('XDG_STATE_HOME', '.local/state');
}

/** What can be thrown away at any time. */
export function cacheDir(): string {
  return base('XDG_CACHE_HOME', '.cache');
}
