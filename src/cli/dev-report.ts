import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import type { DevReport } from '../dev/report.ts';
import type { RoundResult } from '../dev/round-result.ts';
import type { LogLine } from '../device/device.ts';
import type { SwapEvent } from '../shared/api/types.ts';
import { formatBytes, formatMilliseconds } from '../shared/text/format.ts';
import { sanitizeText } from '../shared/text/sanitize.ts';
import { LiveLine } from './live-line.ts';
import { formatLogLine } from './logs.ts';
import { paint, printJson } from './output.ts';

/** Names of files that are shown of a round. */
const shownFiles = 3;

/** For a person: a line for each round on standard error, and below it the component's log as `gantry logs -f` has it. */
export class DevText implements DevReport {
  readonly #name: string;
  readonly #color: boolean;
  readonly #live = new LiveLine();
  /** The line of the round was printed when it became healthy. */
  #told = false;

  constructor(name: string, color: boolean) {
    this.#name = name;
    this.#color = color;
  }

  watching(folders: number): void {
    const what = folders === 1 ? 'the folder' : `${folders} folders`;
    this.note(`watching ${what}; Ctrl-C ends it, and ${this.#name} stays as it is then`);
  }

  building({ step, detail }: { step: string; detail?: string }): void {
    const text = detail === undefined ? step : `${step}: ${detail}`;
    if (step === 'warning') this.note(text);
    else this.#live.set(`building: ${text}`);
  }

  swapping({ stage, message, progress }: SwapEvent): void {
    const sent =
      progress && progress.total > 0 ? ` ${formatBytes(progress.done)} of ${formatBytes(progress.total)}` : '';
    this.#live.set(`${stage}: ${message}${sent}`);
  }

  healthy(round: RoundResult): void {
    this.#told = true;
    this.#print(roundLine(round, this.#color));
  }

  ended(round: RoundResult): void {
    this.#live.clear();
    const told = this.#told;
    this.#told = false;
    if (!told || round.outcome !== 'running') this.#print(roundLine(round, this.#color));
    for (const line of round.lastLines ?? []) this.#print(`  ${stripVTControlCharacters(line)}`);
  }

  async log(line: LogLine): Promise<void> {
    const out = line.stream === 'stdout' ? process.stdout : process.stderr;
    if (!this.#live.print(out, formatLogLine(line, this.#color))) await once(out, 'drain');
  }

  note(text: string): void {
    this.#print(text);
  }

  end(text: string): void {
    this.#live.clear();
    this.#print(text);
  }

  #print(text: string): void {
    this.#live.print(process.stderr, `${text}\n`);
  }
}

/** For programs: one object a line. */
export class DevJson implements DevReport {
  watching(folders: number): void {
    printJson({ event: 'watching', folders });
  }

  building({ step, detail }: { step: string; detail?: string }): void {
    if (step === 'warning') printJson({ event: 'warning', message: detail });
  }

  swapping(_event: SwapEvent): void {
    // The round has the times of all stages.
  }

  healthy(round: RoundResult): void {
    printJson({ event: 'healthy', ...round });
  }

  ended(round: RoundResult): void {
    const { lastLines } = round;
    const plain = lastLines && { lastLines: lastLines.map((line) => stripVTControlCharacters(line)) };
    printJson({ event: 'round', ...round, ...plain });
  }

  async log({ stream, text }: LogLine): Promise<void> {
    printJson({ event: 'log', stream, text: stripVTControlCharacters(text) });
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
  }

  note(message: string): void {
    printJson({ event: 'note', message });
  }

  end(message: string): void {
    printJson({ event: 'end', message });
  }
}

const words: Record<Exclude<RoundResult['outcome'], 'running'>, string> = {
  unchanged: 'unchanged',
  'not-built': 'not built',
  'not-swapped': 'not swapped',
  'rolled-back': 'rolled back',
  lost: 'the device is out of reach; this goes on when it is back',
};

/** `14:03:22 ✓ server.mjs: built in 38 ms, sent 717 B, stage 402 ms, stop 37 ms, start 98 ms, probe 205 ms: healthy after 820 ms`. */
export function roundLine(round: RoundResult, color: boolean, now = new Date()): string {
  const { outcome, changes, buildMs, sentBytes, stages = [], healthyMs, totalMs } = round;
  // Its last lines are above, from the log, or below.
  const hasLines = outcome === 'rolled-back' && round.lastLines?.length !== 0;
  const message = hasLines ? round.message?.replace(/; its last words: [\s\S]*$/, '') : round.message;
  const good = outcome === 'running';
  const sign = good ? paint('green', '✓', color) : outcome === 'unchanged' ? '=' : paint('red', '✗', color);
  const touched = outcome !== 'not-built' && outcome !== 'unchanged';
  const parts = outcome === 'not-built' ? [] : [`built in ${formatMilliseconds(buildMs)}`];
  if (sentBytes !== undefined && touched) parts.push(`sent ${formatBytes(sentBytes)}`);
  if (good) {
    for (const { stage, ms } of stages) {
      if (stage !== 'send') parts.push(`${stage} ${formatMilliseconds(ms)}`);
    }
  }
  const end = good
    ? paint('green', `healthy after ${formatMilliseconds(healthyMs ?? totalMs)}`, color)
    : `${paint(outcome === 'unchanged' ? 'dim' : 'red', words[outcome], color)}${message === undefined ? '' : `: ${message}`}`;
  const what =
    changes.length > shownFiles
      ? `${changes.slice(0, shownFiles).join(', ')} and ${changes.length - shownFiles} more`
      : changes.join(', ');
  const time = now.toTimeString().slice(0, 8);
  const all = [...(parts.length === 0 ? [] : [parts.join(', ')]), end].join(': ');
  return `${paint('dim', time, color)} ${sign} ${paint('bold', sanitizeText(what, { color: false }), color)}: ${sanitizeText(all, { color })}`;
}
