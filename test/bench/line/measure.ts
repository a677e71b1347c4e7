import type { AtEnd } from '../../support/at-end.ts';
import { type Summary, summarise } from '../statistics.ts';
import { type Comparison, comparePeers } from './compare.ts';
import { type CpuUse, measureCpu } from './cpu.ts';
import { type ListTimes, measureLists } from './list.ts';
import { measureReboots, type RebootTimes } from './reboot.ts';
import { type Scenario, SEEDS, scenarios } from './scenarios.ts';
import { transfer } from './simulated.ts';

export interface LineResult {
  scenario: Scenario;
  goodput: Summary;
  /** Milliseconds; undefined when no keys were typed. */
  echo: Summary | undefined;
  kernelLines: { arrived: number; shown: number };
}

export interface LineMeasured {
  results: LineResult[];
  comparison: Comparison;
  lists: ListTimes | string;
  cpu: CpuUse;
  reboots: RebootTimes;
}

/** All about the serial link: some ten minutes, most of them waiting for the line in real time. */
export async function measureLine(atEnd: AtEnd, say: (text: string) => void): Promise<LineMeasured> {
  const results = await simulate(say);
  const reboots = await measureReboots();
  const lists = await measureLists(atEnd, say);
  const cpu = await measureCpu(say);
  return { results, reboots, lists, cpu, comparison: await comparePeers(say) };
}

/** Every scenario with every seed, in simulated time: a minute or two of processor time. */
async function simulate(say: (text: string) => void): Promise<LineResult[]> {
  const results: LineResult[] = [];
  for (const scenario of scenarios) {
    const runs = [];
    for (const seed of SEEDS) runs.push(await transfer(scenario, seed));
    const goodput = summarise(runs.map((run) => run.goodput));
    const echoes = runs.flatMap((run) => run.echoes);
    const kernelLines = { arrived: 0, shown: 0 };
    for (const run of runs) {
      kernelLines.arrived += run.kernelLines.arrived;
      kernelLines.shown += run.kernelLines.shown;
    }
    results.push({ scenario, goodput, echo: scenario.keys ? summarise(echoes) : undefined, kernelLines });
    const { baud, direction, keys, name } = scenario;
    say(`line: ${baud} baud, ${direction}${keys ? ' with keys' : ''}, ${name}: ${goodput.median.toFixed(3)}`);
  }
  return results;
}
