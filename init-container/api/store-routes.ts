import type { IncomingMessage } from 'node:http';
import { announceImageSchema, type UploadStatus } from '../../src/shared/api/types.ts';
import { deltaMediaType } from '../../src/shared/delta/format.ts';
import type { Collector } from '../store/collector.ts';
import type { LayerStore } from '../store/image-store.ts';
import { received } from './received.ts';
import { readJson, sendEmpty, sendJson } from './respond.ts';
import { type Call, HttpError, type Route } from './router.ts';
import { digestParam, numberHeader, withStoreStatus } from './store-answers.ts';

/** Manifest and configuration as text in JSON, where quotes count twice. */
const maxAnnouncement = 8 << 20;
const uploadPattern = '/gantry/v1/uploads/{digest}';

export interface StoreRouteParts {
  store: Pick<LayerStore, 'recipes'>;
  collector: Pick<Collector, 'announce' | 'putLayer' | 'putUploadedLayer' | 'uploadOffset' | 'receiveUpload'>;
}

/** `/gantry/v1/` for what a host sends: images, layers, and blobs in parts. See src/shared/api/storage.ts. */
export function storeRoutes({ store, collector }: StoreRouteParts): Route[] {
  const routes: Route[] = [
    {
      method: 'POST',
      pattern: '/gantry/v1/images',
      handler: async ({ request, response }) => {
        const image = await readJson(request, announceImageSchema, maxAnnouncement);
        sendJson(response, 200, await collector.announce(image));
      },
    },
    {
      method: 'PUT',
      pattern: '/gantry/v1/layers/{diffId}',
      handler: async ({ request, response, params, query }) => {
        const diffId = digestParam(params.diffId, 'the layer in the path');
        const mediaType = header(request, 'content-type');
        const upload = query.get('upload');
        if (upload !== null) {
          await collector.putUploadedLayer(diffId, digestParam(upload, 'the upload'), mediaType);
        } else if (mediaType === deltaMediaType) {
          // A difference is read at several places at once: it is kept as an upload until it was applied.
          const blob = digestParam(header(request, 'x-gantry-digest'), 'the header X-Gantry-Digest');
          const piece = {
            offset: 0,
            length: numberHeader(request, 'Content-Length'),
            displace: () => void request.destroy(),
          };
          await whileRead(request, (source) => collector.receiveUpload(blob, piece, source));
          await collector.putUploadedLayer(diffId, blob, mediaType);
        } else {
          const blob = digestParam(header(request, 'x-gantry-digest'), 'the header X-Gantry-Digest');
          await whileRead(request, (source) => collector.putLayer(diffId, blob, mediaType, source));
        }
        sendEmpty(response, 201);
      },
    },
    {
      method: 'GET',
      pattern: '/gantry/v1/layers',
      handler: async ({ query, response }) => {
        sendJson(response, 200, await store.recipes.inventory(query.get('list') === '1'));
      },
    },
    {
      method: 'GET',
      pattern: '/gantry/v1/layers/{diffId}/recipe',
      handler: async ({ params, response }) => {
        const diffId = digestParam(params.diffId, 'the layer in the path');
        const recipe = await store.recipes.compressed(diffId);
        if (!recipe) throw new HttpError(404, `this device has no recipe of the layer ${diffId}`);
        response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': recipe.length });
        response.end(recipe);
      },
    },
    {
      method: 'GET',
      pattern: uploadPattern,
      handler: async ({ params, response }) => {
        const offset = await collector.uploadOffset(digestParam(params.digest, 'the blob in the path'));
        sendJson(response, 200, { offset } satisfies UploadStatus);
      },
    },
    {
      method: 'PATCH',
      pattern: uploadPattern,
      handler: async ({ params, request, response }) => {
        const digest = digestParam(params.digest, 'the blob in the path');
        const piece = {
          offset: numberHeader(request, 'Upload-Offset'),
          length: numberHeader(request, 'Upload-Length'),
          displace: () => void request.destroy(),
        };
        const madeBytes = 'upload-makes' in request.headers ? numberHeader(request, 'Upload-Makes') : undefined;
        const offset = await whileRead(request, (source) => collector.receiveUpload(digest, piece, source, madeBytes));
        sendJson(response, 200, { offset } satisfies UploadStatus);
      },
    },
  ];
  return routes.map((route) => ({
    ...route,
    handler: (call: Call) => unlessGone(call, () => withStoreStatus(async () => route.handler(call))),
  }));
}

/** A sending that broke off is nothing to be told of: nobody is there to hear it, and what came of it is kept. */
async function unlessGone({ request, response }: Call, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (request.complete || !request.destroyed) throw error;
    response.destroy();
  }
}

/** A client that is still sending must get the answer, and its connection lives on: what it sends is read and dropped. */
async function whileRead<T>(request: IncomingMessage, use: (source: AsyncIterable<Buffer>) => Promise<T>): Promise<T> {
  const source = received(request);
  try {
    return await use(source);
  } finally {
    request.removeAllListeners('data').resume();
  }
}

function header(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return typeof value === 'string' ? value : '';
}
