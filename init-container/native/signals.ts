import { constants } from 'node:os';

/**
 * A signal by any of the names people use: `TERM`, `SIGTERM`, `sigterm`, `15`. Undefined when there is no such signal.
 * Real-time signals (`RTMIN+3`) are not supported: Node cannot send them by name.
 */
export function parseSignal(text: string): NodeJS.Signals | undefined {
  const upper = text.trim().toUpperCase();
  if (/^\d+$/.test(upper)) {
    const number = Number(upper);
    const found = Object.entries(constants.signals).find(([, value]) => value === number);
    return found?.[0] as NodeJS.Signals | undefined;
  }
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  return name in constants.signals ? (name as NodeJS.Signals) : undefined;
}
