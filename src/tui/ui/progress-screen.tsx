import type { ReactElement } from 'react';
import { formatBytes, formatMilliseconds } from '../../shared/text/format.ts';
import { pad, truncate } from '../../shared/text/width.ts';
import type { RunningSwap } from '../store/state.ts';
import { type StageProgress, type SwapOutcome, stagesToCome } from '../store/swap-progress.ts';
import { Line, type Span } from './line.tsx';
import type { Tone } from './theme.ts';

const marks: Record<StageProgress['state'], Span> = {
  active: ['▶', 'accent'],
  done: ['✓', 'good'],
  failed: ['✗', 'bad'],
};
const outcomes: Record<SwapOutcome['kind'], [text: string, tone: Tone]> = {
  done: ['done', 'good'],
  'rolled-back': ['rolled back: the device runs what it ran before', 'bad'],
  failed: ['failed: the device runs what it ran before', 'bad'],
  lost: ['lost sight of it: the device goes on by itself; v shows how it ended', 'warn'],
};

/** A swap or a rollback, stage by stage. */
export function ProgressScreen({
  running,
  now,
  columns,
}: {
  running: RunningSwap;
  now: number;
  columns: number;
}): ReactElement {
  const { stages, outcome } = running.progress;
  return (
    <>
      <Line spans={[[` ${running.title}`, 'title']]} />
      <Line spans={[]} />
      {stages.map((stage) => (
        <Line key={`${stage.stage} ${stage.startedAt}`} spans={stageSpans(stage, now, columns)} />
      ))}
      {stagesToCome(running.progress).map((stage) => (
        <Line key={stage} spans={[[`   ${stage}`, 'dim']]} />
      ))}
      <Line spans={[]} />
      {outcome && <OutcomeLines outcome={outcome} columns={columns} />}
    </>
  );
}

function stageSpans(stage: StageProgress, now: number, columns: number): Span[] {
  const elapsed = Math.max(0, (stage.endedAt ?? now) - stage.startedAt);
  const text = stage.bytes && stage.state === 'active' ? progressBar(stage.bytes) : stage.message;
  return [
    ' ',
    marks[stage.state],
    ` ${pad(stage.stage, 9)}`,
    [`${pad(formatMilliseconds(elapsed), 7, 'right')}  `, 'dim'],
    truncate(text, Math.max(0, columns - 22)),
  ];
}

/** `[██████░░░░] 45 %  12.3 MB of 27 MB  1.2 MB/s, 12.3 s left` */
function progressBar({ done, total, bytesPerSecond, secondsLeft }: NonNullable<StageProgress['bytes']>): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * 20);
  const rate = bytesPerSecond === undefined ? '' : `  ${formatBytes(bytesPerSecond)}/s`;
  const left = secondsLeft === undefined ? '' : `, ${formatMilliseconds(secondsLeft * 1000)} left`;
  const bar = '█'.repeat(filled) + '░'.repeat(20 - filled);
  return `[${bar}] ${Math.floor(share * 100)} %  ${formatBytes(done)} of ${formatBytes(total)}${rate}${left}`;
}

function OutcomeLines({ outcome, columns }: { outcome: SwapOutcome; columns: number }): ReactElement {
  const [text, tone] = outcomes[outcome.kind];
  const facts = [
    ...(outcome.revision === undefined ? [] : [`revision ${outcome.revision}`]),
    ...(outcome.downtimeMs === undefined ? [] : [`down for ${formatMilliseconds(outcome.downtimeMs)}`]),
  ].join(', ');
  return (
    <>
      <Line spans={[[` ${text}`, tone], facts === '' ? '' : `  (${facts})`]} />
      {outcome.message !== '' && <Line spans={[` ${truncate(outcome.message, columns - 2)}`]} />}
    </>
  );
}
