import { readFileSync } from 'node:fs';

/**
 * The serial console of this device, `/dev/ttyS0`: the last one that the kernel prints to and that is not a screen.
 * Undefined when there is none.
 */
export function consoleTty(activePath = '/sys/class/tty/console/active'): string | undefined {
  let active: string;
  try {
    active = readFileSync(activePath, 'utf8');
  } catch {
    return undefined;
  }
  const name = active
    .trim()
    .split(/\s+/)
    .findLast((candidate) => /^[A-Za-z][\w-]*$/.test(candidate) && !/^tty\d*$/.test(candidate));
  return name === undefined ? undefined : `/dev/${name}`;
}
