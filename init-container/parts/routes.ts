import { upgradeImageSchema, upgradeRequestSchema } from '../../src/shared/api/types.ts';
import { readJson, sendEmpty, sendJson } from '../api/respond.ts';
import { HttpError, type Route } from '../api/router.ts';
import { digestParam, withStoreStatus } from '../api/store-answers.ts';
import type { Upgrades } from './upgrade.ts';

/** `/gantry/v1/upgrade`: whole images. See src/shared/api/types.ts for bodies and answers. */
export function upgradeRoutes({ upgrades }: { upgrades: Upgrades }): Route[] {
  const routes: Route[] = [
    {
      method: 'PUT',
      pattern: '/gantry/v1/upgrade',
      handler: async ({ request, response, query }) => {
        const image = parseImage(query.get('image') ?? '');
        const upload = query.get('upload');
        if (upload !== null) {
          const digest = digestParam(upload, 'the upload');
          await upgrades.writeUploaded(image, { digest, mediaType: request.headers['content-type'] ?? '' });
          return sendEmpty(response, 201);
        }
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
      pattern: '/gantry/v1/upgrade/bases',
      handler: async ({ response, query }) => {
        sendJson(response, 200, await upgrades.bases(parseImage(query.get('image') ?? '')));
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
  return routes.map((route) => ({ ...route, handler: (call) => withStoreStatus(async () => route.handler(call)) }));
}

function parseImage(text: string) {
  try {
    return upgradeImageSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new HttpError(400, `the description of the image in the query is not valid: ${(error as Error).message}`);
  }
}
