import { join } from 'node:path';
import { buildComponent } from '../../../src/compose/component/build.ts';
import { OciLayout } from '../../../src/compose/oci/layout.ts';
import { hostArch } from '../../../src/emulator/index.ts';
import { progressTo, type Say } from '../../e2e/support/compose.ts';
import { gantryOk } from '../../e2e/support/gantry.ts';
import { ociDir, root } from '../../e2e/support/paths.ts';
import type { AtEnd } from '../../support/at-end.ts';
import type { LoadOptions, LoadReport } from '../../support/load.ts';
import { type Engine, startGantry } from '../restart/engines.ts';
import { underLoad } from './under-load.ts';

const strategies = [
  {
    strategy: 'stop-start',
    definitions: ['test/images/web-plain.yml', 'images/core.yml'],
    images: ['web:plain', 'web:plain-2'],
  },
  {
    strategy: 'overlap',
    definitions: ['test/images/web-overlap.yml', 'images/core.yml'],
    images: ['web:overlap', 'web:overlap-2'],
  },
  { strategy: 'handover', definitions: ['images/web.yml'], images: ['web:1', 'web:2'] },
] as const;

const loads: { name: string; options: Omit<LoadOptions, 'host' | 'port'> }[] = [
  { name: '4 clients, each its next request at once', options: { connections: 'fresh', clients: 4 } },
  { name: '200 requests a second, answered or not', options: { connections: 'fresh', rate: 200 } },
  { name: '4 clients that keep connections where they may', options: { connections: 'kept', clients: 4 } },
];

/** Swaps under each load, there and back. */
const rounds = 3;

export interface StrategyResult {
  strategy: string;
  load: string;
  swaps: number;
  /** Of all swaps together; the gaps are the longest of any. */
  report: LoadReport;
}

/** Swaps the web server by each strategy while requests come, natively on this machine's kernel. */
export async function measureStrategies(atEnd: AtEnd, say: Say): Promise<StrategyResult[] | string> {
  if (process.getuid?.() !== 0) return 'Not measured: namespaces need root. Run `npm run bench` as root.';
  await buildTestImages(say);
  const results: StrategyResult[] = [];
  for (const { strategy, definitions, images } of strategies) {
    const engine = await startGantry(
      atEnd,
      say,
      definitions.map((path) => join(root, path)),
    );
    await swapTo(engine, images[1]);
    await swapTo(engine, images[0]);
    for (const { name, options } of loads) {
      say(`${strategy}: ${name}`);
      const reports: LoadReport[] = [];
      for (let swap = 0; swap < rounds * 2; swap++) {
        const image = images[(swap + 1) % 2] ?? images[0];
        reports.push(await underLoad(engine.namespaces.pid, options, () => swapTo(engine, image), atEnd));
      }
      const report = together(reports);
      say(`${strategy}: ${JSON.stringify(report)}`);
      results.push({ strategy, load: name, swaps: reports.length, report });
    }
    await engine.namespaces.stop();
  }
  return results;
}

/** The images that only the benchmarks and tests swap in, where `swapTo` finds them. */
export async function buildTestImages(say: Say): Promise<void> {
  const arch = hostArch();
  const layout = new OciLayout(ociDir(arch));
  const folders = ['web-plain', 'web-plain-2', 'web-overlap', 'web-overlap-2'].map((name) => `test/images/${name}`);
  for (const folder of [...folders, 'images/web', 'images/web-2']) {
    await buildComponent(join(root, folder), arch, { layout, relockGone: true, onProgress: progressTo(say) });
  }
}

export async function swapTo({ socketPath }: Engine, image: string): Promise<void> {
  await gantryOk('-d', `unix:${socketPath}`, 'swap', 'web', `oci:${ociDir(hostArch())}:${image}`);
}

function together(reports: LoadReport[]): LoadReport {
  const sum = (of: (report: LoadReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const most = (of: (report: LoadReport) => number) => Math.max(...reports.map(of));
  const failed: LoadReport['failed'] = {};
  for (const report of reports) {
    for (const [kind, count] of Object.entries(report.failed)) {
      const key = kind as keyof LoadReport['failed'];
      failed[key] = (failed[key] ?? 0) + count;
    }
  }
  return {
    sent: sum((one) => one.sent),
    answered: sum((one) => one.answered),
    failed,
    repeated: sum((one) => one.repeated),
    longestGapMs: most((one) => one.longestGapMs),
    slowestMs: most((one) => one.slowestMs),
  };
}
