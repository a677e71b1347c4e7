import type { Summary } from '../statistics.ts';
import { table } from '../table.ts';
import type { Comparison } from './compare.ts';
import { A53_RATING, type CpuUse } from './cpu.ts';
import type { ListTimes } from './list.ts';
import type { LineMeasured, LineResult } from './measure.ts';
import { PEER_LIMIT_MS } from './peers.ts';
import { KEY_EVERY_MS, peerScenarios, type Scenario, SEEDS, TRANSFER } from './scenarios.ts';

/** The sections on the serial link. What was aimed at stands beside what was measured, and judges nothing. */
export function lineSections({ results, comparison, lists, cpu, reboots }: LineMeasured): string[] {
  return [
    '## The serial link',
    `${TRANSFER / 1024} KiB of random bytes over one stream of the link, in simulated time, on the line simulator of \`test/line\`: exact in its rate, faults in both directions, independent for each byte, kernel lines at any byte. Goodput: bytes of the transfer a second over the bytes that the line carries a second; median (least–most) of ${SEEDS.length} seeds. Keys: one each ${KEY_EVERY_MS} ms into a shell that echoes; milliseconds until the echo, median / p95 / most. Kernel lines: how many of those that arrived undamaged were shown whole and in order. By itself: \`npm run bench -- line\`.`,
    linkTable(results),
    '## The serial link and other programs',
    comparisonWords(comparison),
    comparisonTable(results, comparison),
    ...comparison.peers.flatMap(({ peer, missing }) => (missing === undefined ? [] : [`${peer.name}: ${missing}`])),
    '## A reboot over 115,200 baud',
    `In simulated time: the device is reset at any moment of a transfer and says nothing for up to a second; then U-Boot or Linux prints its first lines. The host’s end of the link takes the session for lost ${spread(reboots.noticed, 0)} ms after the first byte of that (aim: ≤ 1000 ms). Seconds later the agent starts, and a session is up ${spread(reboots.found, 0)} ms after that (aim: ≤ 1000 ms). Median (least–most) of ${reboots.found.runs}. The link alone: what the init container needs before it starts its agent is in the time of a boot.`,
    '## A list of components over 115,200 baud',
    ...listSections(lists),
    '## Processor time of the device’s end',
    ...cpuSections(cpu),
  ];
}

function linkTable(results: readonly LineResult[]): string {
  const rows = results.map(({ scenario, goodput, echo, kernelLines }) => [
    ...[`${scenario.baud.toLocaleString('en')}`, scenario.name, scenario.direction, scenario.keys ? 'yes' : ''],
    ...[goodput.median.toFixed(3), `${goodput.least.toFixed(3)}–${goodput.most.toFixed(3)}`, scenario.aim ?? ''],
    echo ? `${echo.median.toFixed(0)} / ${echo.p95.toFixed(0)} / ${echo.most.toFixed(0)}` : '',
    scenario.echoAim ?? '',
    scenario.kernel ? `${kernelLines.shown} of ${kernelLines.arrived}` : '',
  ]);
  const head = ['baud', 'line', '', 'keys', 'goodput', '(least–most)', 'aim', 'echo, ms', 'aim', 'kernel lines whole'];
  return table(head, rows);
}

function comparisonWords({ link }: Comparison): string {
  const own = link.map(({ direction, goodput }) => `${direction} ${spread(goodput)}`).join(', ');
  return `The same line at 115,200 baud in real time between two ttys, one direction of each kind: kernel lines get among the bytes of a download; what the receiver loses meanwhile, among those of an upload. Goodput as above: median (least–most) of ${SEEDS.length} seeds; a transfer that has not arrived after ${PEER_LIMIT_MS / 1000} s, or not as it was, has failed. C-Kermit runs with packets of 1,000 bytes, ten under way, and is told that the line is not reliable. Gantry’s column is in simulated time; in real time, on the clean line: ${own}. Real time depends on how soon each program gets the processor, and a tty of this kind takes some 20 KB ahead of the line where a UART takes 4: who rewinds at an error, as ZMODEM does, pays for that. PPP with TCP was not measured: it needs a kernel with PPP at both ends.`;
}

function comparisonTable(results: readonly LineResult[], { peers }: Comparison): string {
  const present = peers.filter(({ missing }) => missing === undefined);
  const rows = peerScenarios.map((scenario) => [
    ...[scenario.name, scenario.direction],
    spread(results.find((result) => isSame(result.scenario, scenario))?.goodput),
    ...present.map(({ lines }) => outcomes(lines.find((line) => isSame(line.scenario, scenario))?.goodputs ?? [])),
  ]);
  return table(['line', '', 'Gantry', ...present.map(({ peer }) => peer.name)], rows);
}

function isSame(one: Scenario, other: Scenario): boolean {
  return (['name', 'direction', 'baud', 'keys'] as const).every((key) => one[key] === other[key]);
}

/** A failed transfer counts as nothing: the median of one that arrived and two that did not is that it fails. */
function outcomes(goodputs: readonly (number | undefined)[]): string {
  const sorted = goodputs.map((one) => one ?? 0).toSorted((a, b) => a - b);
  const word = (one: number | undefined): string => (one ? one.toFixed(3) : 'failed');
  const median = sorted[Math.floor(sorted.length / 2)];
  if (sorted.every((one) => one === 0)) return sorted.length === 0 ? '' : 'failed';
  return `${word(median)} (${word(sorted[0])}–${word(sorted.at(-1))})`;
}

function spread(summary: Summary | undefined, digits = 3): string {
  if (!summary) return '';
  const [median, least, most] = [summary.median, summary.least, summary.most].map((one) => one.toFixed(digits));
  return `${median} (${least}–${most})`;
}

function listSections(lists: ListTimes | string): string[] {
  if (typeof lists === 'string') return [lists];
  const { components, first, repeat, connecting, command, noDevice } = lists;
  const row = (name: string, { ms, bytes }: ListTimes['first'], aim: string): string[] => [
    ...[name, spread(ms, 0), spread(bytes, 0), aim],
  ];
  return [
    `${components} components of a device that runs on this machine’s own kernel, its API behind the agent of its console, the clean line in real time. Milliseconds, and bytes on the line in both directions with all that the link says meanwhile; median (least–most) of ${first.ms.runs} (repeats: ${repeat.ms.runs}). The command is a process of its own; \`gantry --version\`, which needs no device, takes ${spread(noDevice, 0)} ms here.`,
    table(
      ['', 'ms', 'bytes', 'aim'],
      [
        row('the first list in a connection', first, '≤ 300 ms'),
        row('the list again', repeat, '≤ 40 ms, ≤ 150 bytes'),
        row('connecting, the list, closing, within one process', connecting, ''),
        row('`gantry ps -a`, from nothing', command, '≤ 1500 ms'),
      ],
    ),
  ];
}

function cpuSections({ transfers, faster }: CpuUse): string[] {
  const isKnown = typeof faster === 'number';
  const method = isKnown
    ? `Scaled by 7-Zip’s benchmark with one thread, which rates a processor of this machine ${(faster * A53_RATING).toFixed(0)} and a core of a Cortex-A53 at 1.4 GHz ${A53_RATING} (a quarter of what boards with four of them reach, in the results of sbc-bench): ${faster.toFixed(1)} times. That is a rough measure: the small caches of an A53 may cost JavaScript more than they cost 7-Zip, and its tty driver is another one.`
    : `Not scaled to a Cortex-A53: ${faster}`;
  const rows = transfers.map(({ direction, percent }) => [
    ...[direction, spread(percent, 1)],
    isKnown
      ? `${(percent.median * faster).toFixed(0)} (${(percent.least * faster).toFixed(0)}–${(percent.most * faster).toFixed(0)})`
      : '',
    '≤ 5',
  ]);
  return [
    `The device’s end of the link alone in a process, with Node’s options of a device, while ${TRANSFER / 1024} KiB go over the clean line at 115,200 baud in real time: its user and system time (getrusage) over the time that passed, in per cent of one processor; median (least–most) of ${transfers[0]?.percent.runs}. ${method}`,
    table(['', 'this machine, %', 'Cortex-A53, estimated, %', 'aim'], rows),
  ];
}
