import { setTimeout as sleep } from 'node:timers/promises';
import type { SwapEvent } from '../shared/api/types.ts';
import { TransportError } from '../transport/transport.ts';
import type { ApiClient } from './api-client.ts';
import type { Connection } from './connection.ts';
import { ApiError } from './errors.ts';
import { swapEventSchema } from './schemas.ts';

const replayPath = '/gantry/v1/swap';
const pauseMs = 300;

/** The connection broke while a swap ran, and the device no longer knows of it. */
export class SwapLostError extends Error {
  constructor(component: string) {
    super(
      `the connection broke while ${component} was being swapped, and the device no longer knows of that swap ` +
        '(it may have been rebooted): see what runs now with "gantry revisions" and "gantry ps"',
    );
    this.name = 'SwapLostError';
  }
}

/** The connection broke, and the device has never heard of the order. */
export class OrderLostError extends Error {
  constructor() {
    super('the connection broke before the device took the order: nothing was changed, try again');
    this.name = 'OrderLostError';
  }
}

interface FollowContext {
  api: ApiClient;
  connection: Connection;
  signal?: AbortSignal;
}

/**
 * Asks the device for a swap or a rollback and yields its events up to `done` or `failed`. The device carries it out by
 * itself: when the connection breaks, this waits until it is back, then goes on with the events that were missed.
 */
export async function* followSwap(
  context: FollowContext,
  what: string,
  path: string,
  body: unknown,
): AsyncGenerator<SwapEvent> {
  const { api, connection, signal } = context;
  const before = await firstOfNewest(context);
  const seen: SwapEvent[] = [];
  let events = api.lines('POST', path, swapEventSchema, { body, signal });
  for (let skip = 0, broken = false; ; ) {
    try {
      for await (const event of events) {
        if (skip > 0) {
          if (seen.length > 0 && skip === seen.length && !isSame(event, seen[0])) throw new SwapLostError(what);
          skip--;
          continue;
        }
        // Nothing had come before the break: was it taken at all, or is this the replay of an older swap?
        if (seen.length === 0 && before && isSame(event, before)) {
          throw new OrderLostError();
        }
        seen.push(event);
        yield event;
        if (event.stage === 'done' || event.stage === 'failed') return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (broken && error instanceof ApiError && error.status === 404) {
        throw seen.length > 0 ? new SwapLostError(what) : new OrderLostError();
      }
      if (!(error instanceof TransportError && error.retry)) throw error;
    }
    // Broken off, or ended without an end: an init container that is itself swapped does that.
    await sleep(pauseMs, undefined, { signal });
    await connection.whenConnected(signal);
    broken = true;
    skip = seen.length;
    events = api.lines('GET', replayPath, swapEventSchema, { signal });
  }
}

/** The first event of the newest swap that the device remembers: what tells it from the one we are about to start. */
async function firstOfNewest({ api, signal }: FollowContext): Promise<SwapEvent | undefined> {
  try {
    for await (const event of api.lines('GET', replayPath, swapEventSchema, { signal })) return event;
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
  return undefined;
}

function isSame(a: SwapEvent, b: SwapEvent | undefined): boolean {
  return b !== undefined && a.at === b.at && a.stage === b.stage && a.component === b.component;
}
