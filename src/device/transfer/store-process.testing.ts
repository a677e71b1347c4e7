import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createApiServer } from '../../../init-container/api/server.ts';
import { storeRoutes } from '../../../init-container/api/store-routes.ts';
import { openRevisions } from '../../../init-container/revisions/revisions.ts';
import { Collector } from '../../../init-container/store/collector.ts';
import { openStore } from '../../../init-container/store/open-store.ts';
import { Uploads } from '../../../init-container/store/uploads.ts';

/**
 * A process that keeps images as the init container does, below the folder of its first argument, and serves them on the
 * socket of its second: for tests that kill it.
 */
const [folder = '', socket = ''] = process.argv.slice(2);
const paths = {
  factoryRevision: join(folder, 'revision.json'),
  factoryLayers: join(folder, 'layers'),
  factoryBlobs: join(folder, 'blobs'),
  factoryRecipes: join(folder, 'recipes'),
  data: join(folder, 'data'),
};
await mkdir(paths.data, { recursive: true });
const log = () => undefined;
const store = await openStore({ paths, arch: 'amd64', factoryImages: [], log });
const collector = new Collector({
  store,
  revisions: await openRevisions({ imageId: 'os', paths, log }),
  uploads: await Uploads.open(join(paths.data, 'uploads')),
  data: paths.data,
  imageId: 'os',
  startableImages: async () => undefined,
  imagesInUse: () => [],
  imagesOfParts: async () => [],
  busyWith: () => undefined,
  log,
});
await createApiServer('0', storeRoutes({ collector, store }), []).listen(socket);
