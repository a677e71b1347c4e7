import { type Summary, summarise } from '../statistics.ts';
import { type Scenario, SEEDS, scenarios } from './scenarios.ts';
import { transfer } from './simulated.ts';

export interface LineResult {
  scenario: Scenario;
  goodput: Summary;
  /** Milliseconds; undefined when no keys were typed. */
  echo: Summary | undefined;
  kernelLines: { arrived: number; shown: number };
}

/** Every scenario with every seed, in simulated time: a minute or two of processor time. */
export async function measureLine(say: (text: string) => void): Promise<LineResult[]> {
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
