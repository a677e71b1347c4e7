import { getSystemErrorMap } from 'node:util';

/** An error like Node's own file errors (`code` is `ENOSPC` and so on) from the errno of a libc call. */
export function errorWithCode(errno: number, what: string): Error {
  const [code, reason] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  return Object.assign(new Error(`${what}: ${reason}`), { code });
}
