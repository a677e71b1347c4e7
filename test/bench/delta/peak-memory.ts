import { readFileSync } from 'node:fs';

/** The most memory that this process has had in use at a time, bytes, shared pages of its program included. */
export function peakMemory(): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (!line) throw new Error('/proc/self/status does not say how much memory was used');
  return Number(line[1]) * 1024;
}
