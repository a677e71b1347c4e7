import { gcRequestSchema } from '../../src/shared/api/types.ts';
import type { Collector } from '../store/collector.ts';
import { StoreError } from '../store/errors.ts';
import { readJson, sendJson } from './respond.ts';
import { HttpError, type Route } from './router.ts';

/** Removing what nothing needs any more. */
export function gcRoutes({ collector }: { collector: Pick<Collector, 'preview' | 'collect'> }): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/gantry/v1/gc',
      handler: async ({ request, response }) => {
        const { dryRun } = await readJson(request, gcRequestSchema);
        sendJson(response, 200, dryRun ? await collector.preview() : await withStatus(() => collector.collect()));
      },
    },
  ];
}

/** A collection that cannot begin is a conflict. */
export async function withStatus<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError) throw new HttpError(409, error.message);
    throw error;
  }
}
