import type { Summary } from '../statistics.ts';
import { table } from '../table.ts';
import type { DevTimes } from './measure.ts';
import type { DevMeasured } from './on-machine.ts';

/** The section of docs/benchmarks.md on `gantry dev`. */
export function devSections({ acceleration, times }: DevMeasured): string[] {
  const row = (name: string, of: (times: DevTimes) => Summary, unit: string) => [
    name,
    ...times.map((one) => range(of(one.times), unit)),
  ];
  return [
    '## From a save to the new code',
    `\`gantry dev\` with the Node template (\`images/node\`) in the place of the demo’s web server, amd64 in QEMU (${acceleration}). One line of the program is changed and saved; the page is asked for until it says so. The device’s own start is what it takes to make the new container, while the old one runs, and to start it until it answers: crun’s, conmon’s and Node’s time. The serial line has 115,200 baud. Median (least–most) of ${times[0]?.times.answered.runs} saves, after one that does not count.`,
    table(
      ['', ...times.map(({ via }) => via)],
      [
        row('from the save to the answer', ({ answered }) => answered, 'ms'),
        row('of that the device’s own start', ({ deviceStart }) => deviceStart, 'ms'),
        row('the rest', ({ rest }) => rest, 'ms'),
        row('of that the build', ({ build }) => build, 'ms'),
        row('sent of layers', ({ sentBytes }) => sentBytes, 'B'),
      ],
    ),
  ];
}

function range({ median, least, most }: Summary, unit: string): string {
  return `${median.toFixed(0)} ${unit} (${least.toFixed(0)}–${most.toFixed(0)})`;
}
