import type { ComponentStatus } from '../../shared/api/types.ts';
import { formatDuration } from '../../shared/text/format.ts';
import { sanitizeLine, sanitizeName } from '../../shared/text/sanitize.ts';

/** A component as tables show it. */
export interface ComponentRow extends ComponentStatus {
  /** Share of one CPU since the reading before, in percent; undefined until there are two readings. */
  cpuPercent?: number;
}

/** Components that are no containers stand below the others: nobody restarts a kernel. */
const below = new Set<string>(['kernel', 'base', 'init']);

export function isContainer(component: Pick<ComponentStatus, 'kind'>): boolean {
  return !below.has(component.kind);
}

/** The rows of a new reading: system containers in the order of the OS definition, then init, base and kernel. */
export function mergeComponents(
  previous: readonly ComponentRow[],
  reading: readonly ComponentStatus[],
): ComponentRow[] {
  const before = new Map(previous.map((row) => [row.name, row]));
  const rows = reading.map((status) => {
    const row: ComponentRow = { ...status, ...cleaned(status) };
    const cpuPercent = cpuShare(before.get(row.name), status);
    return cpuPercent === undefined ? row : { ...row, cpuPercent };
  });
  return [...rows.filter(isContainer), ...rows.filter((row) => !isContainer(row)).reverse()];
}

/** Device text is sanitised where it enters the host; here again, so that no screen depends on that. */
function cleaned(status: ComponentStatus): Partial<ComponentStatus> {
  return {
    name: sanitizeName(status.name),
    image: sanitizeName(status.image),
    ...(status.detail === undefined ? {} : { detail: sanitizeLine(status.detail, { color: false }) }),
  };
}

function cpuShare(before: ComponentRow | undefined, now: ComponentStatus): number | undefined {
  if (!before?.cpu || !now.cpu || before.pid !== now.pid) return undefined;
  const elapsed = now.cpu.atNs - before.cpu.atNs;
  if (elapsed <= 0) return before.cpuPercent;
  return Math.max(0, (100 * (now.cpu.usageNs - before.cpu.usageNs)) / elapsed);
}

/** How long it had been running when the device was asked, for people; `-` if it was not. */
export function uptimeText({ state, uptimeSeconds }: ComponentStatus): string {
  return state === 'running' && uptimeSeconds !== undefined ? formatDuration(uptimeSeconds) : '-';
}
