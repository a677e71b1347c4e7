import type { ServerResponse } from 'node:http';
import {
  rollbackRequestSchema,
  type SwapEvent,
  swapPlanRequestSchema,
  swapRequestSchema,
} from '../../src/shared/api/types.ts';
import { readJson, sendJson, startJsonStream } from '../api/respond.ts';
import { type Call, HttpError, type Route } from '../api/router.ts';
import { storeStatuses } from '../api/store-answers.ts';
import type { Revisions } from '../revisions/types.ts';
import type { Collector } from '../store/collector.ts';
import { StoreError } from '../store/errors.ts';
import { SwapError } from './errors.ts';
import type { SwapEvents } from './event-log.ts';
import type { PreviewStore } from './preview.ts';
import type { Swaps } from './swaps.ts';

export interface SwapRouteParts {
  collector: Pick<Collector, 'previewRoom'>;
  store: PreviewStore;
  revisions: Revisions;
  swaps: Swaps;
}

/** Manifest and configuration as text in JSON, where quotes count twice. */
const maxAnnouncement = 8 << 20;
/** Configurations may bring files with them. */
const maxRequest = 4 << 20;

const statuses = {
  ...storeStatuses,
  conflict: 409,
  unsupported: 501,
} as const;

/** `/gantry/v1/` for revisions, swap and rollback. See src/shared/api/types.ts for bodies and answers. */
export function swapRoutes({ collector, store, revisions, swaps }: SwapRouteParts): Route[] {
  const routes: Route[] = [
    {
      method: 'GET',
      pattern: '/gantry/v1/revisions',
      handler: ({ response }) => sendJson(response, 200, revisions.list()),
    },
    {
      method: 'GET',
      pattern: '/gantry/v1/revisions/{number}',
      handler: ({ response, params }) => {
        const text = params.number ?? '';
        const found = /^\d{1,9}$/.test(text) ? revisions.get(Number(text)) : undefined;
        const known = revisions.list().revisions.some(({ number }) => String(number) === text);
        const why = known ? `revision ${text} was collected to make room` : `there is no revision ${text}`;
        if (!found) throw new HttpError(404, why);
        sendJson(response, 200, found.revision);
      },
    },
    {
      method: 'POST',
      pattern: '/gantry/v1/swap',
      handler: async ({ request, response }) => {
        const events = swaps.swap(await readJson(request, swapRequestSchema, maxRequest));
        await stream(response, events);
      },
    },
    {
      method: 'POST',
      pattern: '/gantry/v1/swap/plan',
      handler: async ({ request, response }) => {
        const wanted = await readJson(request, swapPlanRequestSchema, maxAnnouncement);
        sendJson(response, 200, await swaps.preview(wanted, { store, collector }));
      },
    },
    {
      method: 'GET',
      pattern: '/gantry/v1/swap',
      handler: async ({ response }) => {
        if (!swaps.latest) throw new HttpError(404, 'nothing was swapped on this device yet');
        await stream(response, swaps.latest);
      },
    },
    {
      method: 'POST',
      pattern: '/gantry/v1/rollback',
      handler: async ({ request, response }) => {
        const events = swaps.rollback(await readJson(request, rollbackRequestSchema, maxRequest));
        await stream(response, events);
      },
    },
  ];
  return routes.map((route) => ({ ...route, handler: withStatuses(route.handler) }));
}

/** Sends events until the last one, or until the client goes away; the swap itself does not depend on it. */
async function stream(response: ServerResponse, events: SwapEvents): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  // A client that is gone shows as an error of the connection, which is no trouble of ours.
  response.on('error', () => gone.abort());
  const send: (event: SwapEvent) => boolean = startJsonStream(response, 'application/x-ndjson');
  for await (const event of events.follow(gone.signal)) send(event);
  response.end();
}

function withStatuses(handler: Route['handler']): Route['handler'] {
  return async (call: Call) => {
    try {
      await handler(call);
    } catch (error) {
      if (error instanceof StoreError || error instanceof SwapError)
        throw new HttpError(statuses[error.kind], error.message);
      throw error;
    }
  };
}
