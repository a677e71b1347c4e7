import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { errorWithCode } from './errno.ts';
import { journal } from './journal.ts';
import { hasKernelOption } from './kernel-option.ts';

/**
 * Faults on demand, at named places of this program: how it is shown that a device survives them. Only a device that was
 * booted with `gantry.faults=1` looks for orders, and so does a process with `GANTRY_FAULTS` (the path of the order).
 */
const orderSchema = z.discriminatedUnion('action', [
  /** Writes the name of each point that is passed to a file, one a line. */
  z.strictObject({ action: z.literal('record'), to: z.string() }),
  z.strictObject({
    /** `kill`: this process, with SIGKILL. `reboot`: the machine, at once, nothing written. `slow`: three seconds. */
    action: z.enum(['kill', 'reboot', 'enospc', 'eio', 'slow']),
    point: z.string(),
    /** Which passing of it since the order was given, from 1. */
    nth: z.number().int().positive().default(1),
  }),
]);
type Order = z.infer<typeof orderSchema>;

const orderPath = process.env.GANTRY_FAULTS ?? (hasKernelOption('gantry.faults=1') ? '/run/gantry/faults' : undefined);
const slowMs = 3000;
/** `ENOSPC` and `EIO` of linux/errno.h. */
const errnos = { enospc: 28, eio: 5 } as const;

let orderText = '';
let order: Order | undefined;
let passed = 0;

/** Passes a point, or does what was ordered for it: once. */
export async function faultPoint(name: string): Promise<void> {
  const action = orderPath === undefined ? undefined : actionAt(name, orderPath);
  if (action === 'slow') await sleep(slowMs);
  else if (action !== undefined) act(name, action);
}

/** The same for code that must not wait; `slow` does nothing there. */
export function faultPointSync(name: string): void {
  const action = orderPath === undefined ? undefined : actionAt(name, orderPath);
  if (action !== undefined && action !== 'slow') act(name, action);
}

function actionAt(name: string, path: string): Exclude<Order['action'], 'record'> | undefined {
  const current = readOrder(path);
  if (current === undefined) return undefined;
  if (current.action === 'record') {
    appendFileSync(current.to, `${name}\n`);
    return undefined;
  }
  if (current.point !== name || ++passed !== current.nth) return undefined;
  // Whoever gave the order sees by this that it was carried out, and the next process does not do it again.
  rmSync(path, { force: true });
  journal(`fault ordered at "${name}": ${current.action}`);
  return current.action;
}

function readOrder(path: string): Order | undefined {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // No order.
  }
  if (text === orderText) return order;
  orderText = text;
  passed = 0;
  try {
    order = text === '' ? undefined : orderSchema.parse(JSON.parse(text));
  } catch (error) {
    order = undefined;
    journal(`${path} is no order for a fault: ${error instanceof Error ? error.message : error}`);
  }
  return order;
}

function act(name: string, action: 'kill' | 'reboot' | 'enospc' | 'eio'): void {
  if (action === 'kill') process.kill(process.pid, 'SIGKILL');
  else if (action === 'reboot') writeFileSync('/proc/sysrq-trigger', 'b');
  else throw errorWithCode(errnos[action], `fault ordered at "${name}"`);
}
