import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createApiServer } from '../../../init-container/api/server.ts';
import { storeRoutes } from '../../../init-container/api/store-routes.ts';
import { ImageContents } from '../../../init-container/parts/image-contents.ts';
import { upgradeRoutes } from '../../../init-container/parts/routes.ts';
import { Slots } from '../../../init-container/parts/slots.ts';
import { openUpgrades } from '../../../init-container/parts/upgrade.ts';
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
const uploads = await Uploads.open(join(paths.data, 'uploads'));
const store = await openStore({ paths, arch: 'amd64', factoryImages: [], log });
const collector = new Collector({
  store,
  revisions: await openRevisions({ imageId: 'os', paths, log }),
  uploads,
  data: paths.data,
  imageId: 'os',
  startableImages: async () => undefined,
  imagesInUse: () => [],
  imagesOfParts: async () => [],
  busyWith: () => undefined,
  log,
});
const { data } = paths;
const slots = new Slots('gantry.image=11111111', data);
const open = () =>
  openUpgrades({
    slots,
    image: { name: 'os', id: '11111111', arch: 'amd64', gantry: '0', board: 'pc', bootModules: [] },
    contents: new ImageContents({
      slots,
      rootDevice: async () => join(folder, 'root.img'),
      factoryInitramfs: () => readFile(join(folder, 'initrd.img')),
      layerContents: () => store.layerContents(),
      data,
    }),
    uploads,
    unable: undefined,
    supervisor: { status: async () => [], waitHealthy: async () => undefined },
    data,
    // As if it had started again, had found all healthy, and had started the first image once more.
    reboot: async () => {
      await slots.keep((await slots.onTrial()) ?? 'factory');
      present = await open();
    },
    swapping: () => false,
    log,
  });
let present = await open();
const upgrades = new Proxy(present, {
  get: (_, name) => {
    const value: unknown = Reflect.get(present, name);
    return typeof value === 'function' ? value.bind(present) : value;
  },
});
await createApiServer('0', [...storeRoutes({ collector, store }), ...upgradeRoutes({ upgrades })], []).listen(socket);
