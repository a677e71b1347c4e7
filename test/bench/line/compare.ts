import { type Summary, summarise } from '../statistics.ts';
import { type Peer, peers, transferByPeer, whyNot } from './peers.ts';
import { transferInRealTime } from './real-time.ts';
import { peerScenarios, type Scenario, SEEDS } from './scenarios.ts';

export interface PeerResult {
  peer: Peer;
  /** What is missing for it; the other fields are empty then. */
  missing?: string;
  /** Goodput of each seed on each line; undefined for a transfer that failed. */
  lines: { scenario: Scenario; goodputs: (number | undefined)[] }[];
}

export interface Comparison {
  peers: PeerResult[];
  /** The link in real time on the clean line, in both directions. */
  link: { direction: Scenario['direction']; goodput: Summary }[];
}

/** At once: each waits for its line nearly all the time. */
const AT_ONCE = 8;

/** What other programs reach on the same line, in real time: some eight minutes. */
export async function comparePeers(say: (text: string) => void): Promise<Comparison> {
  // First, and two at a time: these are to show that simulated time is right.
  const link = [];
  for (const direction of ['upload', 'download'] as const) {
    const [clean] = peerScenarios;
    if (!clean) throw new Error('there is no line to measure on');
    const goodput = summarise(await inTurns(SEEDS, 2, (seed) => transferInRealTime({ ...clean, direction }, seed)));
    say(`line in real time: the link, ${direction}: ${goodput.median.toFixed(3)}`);
    link.push({ direction, goodput });
  }
  const results: PeerResult[] = peers.map((peer) => {
    const missing = whyNot(peer);
    return { peer, ...(missing !== undefined && { missing }), lines: [] };
  });
  const present = results.filter(({ missing }) => missing === undefined);
  const jobs = peerScenarios.flatMap((scenario) =>
    present.flatMap((result) => {
      const goodputs: (number | undefined)[] = [];
      result.lines.push({ scenario, goodputs });
      return SEEDS.map((seed) => ({ result, scenario, seed, goodputs }));
    }),
  );
  await inTurns(jobs, AT_ONCE, async ({ result: { peer }, scenario, seed, goodputs }) => {
    const goodput = await transferByPeer(peer, scenario, seed);
    goodputs.push(goodput);
    say(`line in real time: ${peer.name}, ${scenario.name}, seed ${seed}: ${goodput?.toFixed(3) ?? 'failed'}`);
  });
  return { peers: results, link };
}

/** `work` on each, so many at once; results in the order of `items`. */
async function inTurns<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = [...items.entries()];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
