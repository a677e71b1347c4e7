import { upgradeImageSchema, upgradeRequestSchema } from '../../src/shared/api/types.ts';
import { readJson, sendEmpty, sendJson } from '../api/respond.ts';
import { HttpError, type Route } from '../api/router.ts';
import { storeStatuses } from '../api/store-answers.ts';
import { StoreError } from '../store/errors.ts';
import type { Upgrades } from './upgrade.ts';

/** `/gantry/v1/upgrade`: whole images. See src/shared/api/types.ts for bodies and answers. */
export function upgradeRoutes({ upgrades }: { upgrades: Upgrades }): Route[] {
  const routes: Route[] = [
    {
      method: 'PUT',
      pattern: '/gantry/v1/upgrade',
      handler: async ({ request, response, query }) => {
        const image = parseImage(query.get('image') ?? '');
        // A client that is still sending must get the answer, and its connection lives on: the rest is read and dropped.
        try {
          await upgrades.write(image, request.iterator({ destroyOnReturn: false }));
        } finally {
          request.resume();
        }
        sendEmpty(response, 201);
      },
    },
    {
      method: 'POST',
      pattern: '/gantry/v1/upgrade',
      handler: async ({ request, response }) => {
        const { id } = await readJson(request, upgradeRequestSchema);
        // The answer comes before the device is gone.
        await upgrades.start(id, () => sendJson(response, 202, { message: `restarting into the image ${id}` }));
      },
    },
    {
      method: 'GET',
      pattern: '/gantry/v1/upgrade',
      handler: async ({ response }) => {
        const status = await upgrades.status();
        if (!status) throw new HttpError(404, 'no other image was sent to this device yet');
        sendJson(response, 200, status);
      },
    },
  ];
  return routes.map((route) => ({ ...route, handler: withStatuses(route.handler) }));
}

function parseImage(text: string) {
  try {
    return upgradeImageSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new HttpError(400, `the description of the image in the query is not valid: ${(error as Error).message}`);
  }
}

function withStatuses(handler: Route['handler']): Route['handler'] {
  return async (call) => {
    try {
      await handler(call);
    } catch (error) {
      if (error instanceof StoreError) throw new HttpError(storeStatuses[error.kind], error.message);
      throw error;
    }
  };
}
