import type { UploadStatus } from '../../src/shared/api/types.ts';
import type { Collector } from '../store/collector.ts';
import { sendJson } from './respond.ts';
import type { Route } from './router.ts';
import { digestParam, numberHeader, withStoreStatus } from './store-answers.ts';

const pattern = '/gantry/v1/uploads/{digest}';

/** Blobs that are sent in parts, so that a sending that broke off goes on where it was. */
export function uploadRoutes({ collector }: { collector: Pick<Collector, 'uploadOffset' | 'receiveUpload'> }): Route[] {
  return [
    {
      method: 'GET',
      pattern,
      handler: async ({ params, response }) => {
        const offset = await collector.uploadOffset(digestParam(params.digest, 'the blob in the path'));
        sendJson(response, 200, { offset } satisfies UploadStatus);
      },
    },
    {
      method: 'PATCH',
      pattern,
      handler: async ({ params, request, response }) => {
        const digest = digestParam(params.digest, 'the blob in the path');
        const piece = {
          offset: numberHeader(request, 'Upload-Offset'),
          length: numberHeader(request, 'Upload-Length'),
          displace: () => void request.destroy(),
        };
        const source = request.iterator({ destroyOnReturn: false });
        try {
          const offset = await withStoreStatus(() => collector.receiveUpload(digest, piece, source));
          sendJson(response, 200, { offset } satisfies UploadStatus);
        } finally {
          // A client that is still sending must get the answer: what it sends is read and dropped.
          request.resume();
        }
      },
    },
  ];
}
