import type { Booted } from './boot.ts';
import type { Composed } from './compose.ts';
import type { DeltaMeasured } from './delta/measure.ts';
import { deltaSections } from './delta/report.ts';
import type { DevMeasured } from './dev/on-machine.ts';
import { devSections } from './dev/report.ts';
import type { Hundred } from './hundred/measure.ts';
import type { LineMeasured } from './line/measure.ts';
import { lineSections } from './line/report.ts';
import { actions, type Comparison } from './restart/compare.ts';
import type { Summary } from './statistics.ts';
import { type SwapResults, swapSections } from './swap/report.ts';
import { table } from './table.ts';

export interface Results {
  facts: [string, string][];
  composed: Composed[];
  booted: Booted[];
  restarts: Comparison | string;
  hundred: Hundred | string;
  swaps: SwapResults;
  line: LineMeasured;
  delta: DeltaMeasured | string;
  dev: DevMeasured;
}

/** The whole of docs/benchmarks.md. */
export function report({ facts, composed, booted, restarts, hundred, swaps, line, delta, dev }: Results): string {
  const sections = [
    '# Benchmarks',
    'Written by `npm run bench`, single chapters by `npm run bench -- line`; changed by nothing else. Figures of one machine on one day: compare those of one run with each other, not with another machine’s. None of them is a test.',
    table(['machine', ''], facts),
    '## Size of the image',
    '`gantry build images/demo.yml`. The root image is compressed (squashfs, zstd).',
    sizes(composed),
    'Each component’s files, uncompressed, MB. A package that several components use is in the image once, and counts here for each of them. The files of the base are in the image once, as the root’s and as the component’s; the kernel is there for the next one to be sent as a difference, its modules a second time, unpacked.',
    components(composed),
    '## Time to compose it',
    `\`gantry build images/demo.yml\`, its function called within one process. “Assembly”: every component is built and in the local store, the image is made anew. “Nothing to do”: the folder holds this very image. Median (least–most) of ${composed[0]?.assembly.runs} runs.`,
    table(
      ['', 'assembly', 'nothing to do'],
      composed.map(({ arch, assembly, reused }) => [arch, seconds(assembly), seconds(reused)]),
    ),
    '## From the first instruction to all healthy',
    `QEMU is started with \`-S\`; the clock starts with \`cont\`, so that the boot loader, the kernel and the initramfs are in it. 2 processors, 512 MiB. Watched over the serial line, where the device announces itself; then its components are asked for every 100 ms until each runs and is healthy (dhcp, sshd, mosquitto, web). Median (least–most) of ${booted[0]?.apiAnswers.runs} boots.`,
    table(
      ['', 'acceleration', 'the API answers', 'all healthy'],
      booted.map((one) => [one.arch, one.acceleration, seconds(one.apiAnswers), seconds(one.allHealthy)]),
    ),
    '## Memory of what supervises',
    '`/proc/PID/smaps_rollup` on the device of the last boot, once, right after all were healthy; KiB. Private: pages that this process alone has written to. Resident counts shared libraries and the pages of the program itself too, which the kernel can drop.',
    ...booted.map(memory),
    '## Restart of one container, against Docker',
    ...restartSections(restarts),
    ...swapSections(swaps, table),
    '## A hundred containers',
    ...hundredSections(hundred),
    ...lineSections(line),
    ...deltaSections(delta),
    ...devSections(dev),
    '## Time of `gantry ps`',
    `The device of the last boot. Whole commands, in turns: from the start of the process to its end, connecting included. The last two rows: one request for all components in a connection that is open. Median (least–most) of ${booted[0]?.ps.sshTrue.runs} runs, after one that does not count. The serial line is a Unix socket of QEMU, without a baud rate.`,
    table(['', ...booted.map(({ arch, acceleration }) => `${arch} (${acceleration})`)], psRows(booted)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function sizes(composed: Composed[]): string {
  const rows = composed.map(({ arch, image: { sizes } }) => {
    const total = sizes.kernel + sizes.initrd + sizes.root;
    return [arch, ...[sizes.kernel, sizes.initrd, sizes.root, total].map((bytes) => `${megabytes(bytes)} MB`)];
  });
  return table(['', 'kernel', 'initrd', 'root', 'together'], rows);
}

function components(composed: Composed[]): string {
  const rows = Object.entries(composed[0]?.image.components ?? {})
    .filter(([, { bytes }]) => bytes > 0)
    .map(([name, { image }]) => [
      name,
      image,
      ...composed.map(({ image }) => megabytes(image.components[name]?.bytes ?? 0)),
    ]);
  return table(['component', 'image', ...composed.map(({ arch }) => arch)], rows);
}

function memory({ arch, memory }: Booted): string {
  const rows = memory.map((one) => [
    one.process,
    ...[one.private, one.anonymous, one.proportional, one.resident].map(String),
  ]);
  return table([arch, 'private, dirty', 'anonymous', 'proportional', 'resident'], rows);
}

function restartSections(restarts: Comparison | string): string[] {
  if (typeof restarts === 'string') return [restarts];
  const { dockerVersion, times } = restarts;
  const runs = times[0]?.page.runs;
  const rows = times.map(({ action, engine, answered, page }) => [
    action,
    engine === 'docker' ? `Docker ${dockerVersion}` : 'Gantry',
    ...[answered.median, answered.p95, page.median, page.p95].map(milliseconds),
    `${milliseconds(page.least)}–${milliseconds(page.most)}`,
  ]);
  const ratios = actions.map((action) => {
    const page = (engine: string) => times.find((one) => one.action === action && one.engine === engine)?.page;
    const [gantry, docker] = [page('gantry'), page('docker')];
    if (gantry === undefined || docker === undefined) throw new Error(`${action} was not measured for both`);
    const ratio = (key: 'median' | 'p95') => (gantry[key] / docker[key]).toFixed(2);
    return [action, ratio('median'), ratio('p95')];
  });
  return [
    `The same image (\`web:1\`, nginx, stopped by SIGQUIT), both natively on this machine’s kernel, each in mount, network, process and cgroup namespaces of its own, container on the network it finds there. Gantry: the composed root image with its init container, crun and conmon. Docker: Debian’s docker.io with its own defaults, overlay2. One client for both, node:http over the engine’s Unix socket (\`POST /containers/web/restart\`), then \`GET /\` again and again until the page answers with 200. In turns, ${runs} each, after one that does not count. Milliseconds from the request on.`,
    table(['', '', 'API: median', 'API: p95', 'page: median', 'page: p95', 'page: least–most'], rows),
    'Gantry’s time until the page answers, divided by Docker’s:',
    table(['', 'median', 'p95'], ratios),
  ];
}

function hundredSections(hundred: Hundred | string): string[] {
  if (typeof hundred === 'string') return [hundred];
  const { containers, allRunning, list, idle, init, conmon, state } = hundred;
  return [
    `${containers} containers that do nothing (\`idle:1\`, no health check), natively on this machine’s kernel in namespaces of its own. Idle: processor time of a minute in which nobody asks anything, per cent of one processor. Memory: private and dirty, then.`,
    table(
      ['', ''],
      [
        ['from the launcher’s start until all run', `${allRunning.toFixed(1)} s`],
        ['a list of all, in an open connection', range(list, 'ms', 0)],
        ['idle: init container', `${idle.init.toFixed(2)} %`],
        [`idle: ${containers} conmons together`, `${idle.conmons.toFixed(2)} %`],
        ['memory of the init container', `${(init / 1024).toFixed(1)} MiB`],
        ['memory of a conmon', range(conmon, 'KiB', 0)],
        ['files of a container in /run', `${state.toFixed(0)} KiB`],
      ],
    ),
  ];
}

function psRows(booted: Booted[]): string[][] {
  const row = (name: string, of: (ps: Booted['ps']) => Summary) => [
    name,
    ...booted.map(({ ps }) => range(of(ps), 'ms', 0)),
  ];
  return [
    row('`ssh HOST true`', (ps) => ps.sshTrue),
    row('`gantry --version`: no device', (ps) => ps.noDevice),
    row('`gantry ps` over SSH', (ps) => ps.command.ssh),
    row('`gantry ps` over serial', (ps) => ps.command.serial),
    row('request over SSH', (ps) => ps.call.ssh),
    row('request over serial', (ps) => ps.call.serial),
  ];
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
const milliseconds = (ms: number) => ms.toFixed(0);
const seconds = (summary: Summary) => range(summary, 's', 1);

function range({ median, least, most }: Summary, unit: string, digits: number): string {
  return `${median.toFixed(digits)} ${unit} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}
