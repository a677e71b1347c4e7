import { setTimeout as sleep } from 'node:timers/promises';
import type { Device } from '../device/device.ts';
import { ApiError } from '../device/errors.ts';
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
  /** Another swap is under way: this one waits until it has ended. */
  onBusy(message: string): void;
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

const busyPauseMs = 500;

/** A stack trace of Node's and what stands above it. */
const mostLines = 20;
const linesTimeoutMs = 10_000;

/**
 * Swaps one image in, also one that failed before: who saves again means it. Rejects only when `signal` aborts.
 */
export async function swapIn(work: SwapWork): Promise<SwapResult> {
  const { device, name, image, stable, signal, onEvent } = work;
  const timeline = new SwapTimeline(performance.now());
  for (let told = false; ; told = true) {
    try {
      for await (const event of device.swap([{ name, image }], { retry: true, stable, signal })) {
        const healthy = timeline.add(event, performance.now());
        onEvent(event, timeline, healthy);
      }
      break;
    } catch (cause) {
      signal.throwIfAborted();
      const message = messageOf(cause);
      if (!isBusy(cause)) return { outcome: isLost(cause) ? 'lost' : 'not-swapped', message, cause };
      if (!told) work.onBusy(message);
      await sleep(busyPauseMs, undefined, { signal });
    }
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
  const options = {
    since: from / 1000,
    timestamps: true,
    signal: AbortSignal.any([signal, AbortSignal.timeout(linesTimeoutMs)]),
  };
  try {
    for await (const { time = '', text } of device.logs(name, options)) {
      if (Date.parse(time) <= to) lines.push(text);
      if (lines.length > mostLines) lines.shift();
    }
  } catch {
    // The reason that the device gave must do.
  }
  return lines;
}

/** The swap of a session that was interrupted goes on, for instance. */
function isBusy(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409 && error.message.startsWith('one swap at a time');
}

function isLost(error: unknown): boolean {
  if (error instanceof TransportError) return error.retry;
  return error instanceof OrderLostError || error instanceof SwapLostError;
}
