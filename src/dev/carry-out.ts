import type { Device } from '../device/device.ts';
import { OrderLostError, SwapLostError } from '../device/follow-swap.ts';
import type { SwapEvent } from '../shared/api/types.ts';
import { messageOf } from '../shared/message-of.ts';
import { TransportError } from '../transport/transport.ts';
import type { RoundResult } from './round-result.ts';
import { SwapTimeline } from './swap-timeline.ts';

export interface SwapWork {
  device: Device;
  name: string;
  /** Where the image is, as `gantry swap` takes it. */
  image: string;
  stable: string | undefined;
  /** Whether the last lines of what failed are to be fetched. */
  wantsLines: boolean;
  signal: AbortSignal;
  /** Called with each event, and with whether the new component is known to be healthy with it. */
  onEvent(event: SwapEvent, timeline: SwapTimeline, healthy: boolean): void;
}

export type SwapResult = Pick<
  RoundResult,
  'outcome' | 'sentBytes' | 'stages' | 'revision' | 'message' | 'lastLines'
> & {
  /** `performance.now()`. */
  healthyAt?: number | undefined;
  /** What was thrown, where nothing was swapped because of it. */
  cause?: unknown;
};

/** A stack trace of Node's and what stands above it. */
const mostLines = 20;

/**
 * Swaps one image in, also one that failed before: who saves again means it. Rejects only when `signal` aborts.
 */
export async function swapIn(work: SwapWork): Promise<SwapResult> {
  const { device, name, image, stable, signal, onEvent } = work;
  const timeline = new SwapTimeline(performance.now());
  try {
    for await (const event of device.swap([{ name, image }], { retry: true, stable, signal })) {
      const healthy = timeline.add(event, performance.now());
      onEvent(event, timeline, healthy);
    }
  } catch (cause) {
    signal.throwIfAborted();
    return { outcome: isLost(cause) ? 'lost' : 'not-swapped', message: messageOf(cause), cause };
  }
  const { last, sentBytes, stages, healthyAt } = timeline;
  const revision = last?.revision === undefined ? {} : { revision: last.revision };
  const result = { sentBytes, stages, ...revision };
  if (last?.stage === 'done') {
    if (!timeline.touched) return { ...result, outcome: 'unchanged', message: last.message };
    return { ...result, outcome: 'running', healthyAt };
  }
  const message = last?.message ?? 'the device ended the swap without saying how';
  if (!timeline.rolledBack) return { ...result, outcome: 'not-swapped', message };
  const lastLines = work.wantsLines ? await linesOfTrial(work, timeline.trial) : undefined;
  return { ...result, outcome: 'rolled-back', message, ...(lastLines && { lastLines }) };
}

/** What a component wrote between its start and its end; the log has what ran before and runs again as well. */
async function linesOfTrial(
  { device, name, signal }: SwapWork,
  { from = 0, to = Number.POSITIVE_INFINITY }: SwapTimeline['trial'],
): Promise<string[]> {
  const lines: string[] = [];
  try {
    for await (const { time = '', text } of device.logs(name, { since: from / 1000, timestamps: true, signal })) {
      if (Date.parse(time) <= to) lines.push(text);
    }
  } catch {
    // The reason that the device gave must do.
  }
  return lines.slice(-mostLines);
}

function isLost(error: unknown): boolean {
  if (error instanceof TransportError) return error.retry;
  return error instanceof OrderLostError || error instanceof SwapLostError;
}
