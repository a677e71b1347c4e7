import { table } from '../table.ts';
import type { LineResult } from './measure.ts';
import { KEY_EVERY_MS, TRANSFER } from './scenarios.ts';

/** The section on the serial link. */
export function lineSections(results: readonly LineResult[]): string[] {
  const rows = results.map(({ scenario, goodput, echo, kernelLines }) => [
    `${scenario.baud.toLocaleString('en')}`,
    scenario.name,
    scenario.direction,
    scenario.keys ? 'yes' : '',
    goodput.median.toFixed(3),
    `${goodput.least.toFixed(3)}–${goodput.most.toFixed(3)}`,
    echo ? `${echo.median.toFixed(0)} / ${echo.p95.toFixed(0)} / ${echo.most.toFixed(0)}` : '',
    scenario.kernel ? `${kernelLines.shown} of ${kernelLines.arrived}` : '',
  ]);
  return [
    '## The serial link',
    `${TRANSFER / 1024} KiB of random bytes over one stream of the link, in simulated time, on the line simulator of \`test/line\`: exact in its rate, faults in both directions, independent for each byte, kernel lines at any byte. Goodput: bytes of the transfer a second over the bytes that the line carries a second; median (least–most) of ${results[0]?.goodput.runs} seeds. Keys: one each ${KEY_EVERY_MS} ms into a shell that echoes; milliseconds until the echo, median / p95 / most. Kernel lines: how many of those that arrived undamaged were shown whole and in order. By itself: \`npm run bench -- line\`.`,
    table(['baud', 'line', '', 'keys', 'goodput', '(least–most)', 'echo, ms', 'kernel lines whole'], rows),
  ];
}
