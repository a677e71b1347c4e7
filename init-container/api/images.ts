import type { GarbageItem } from '../../src/shared/api/types.ts';
import { isDigest } from '../../src/shared/oci/digest.ts';
import type { Digest, ImageConfig } from '../../src/shared/oci/types.ts';
import type { Collector } from '../store/collector.ts';
import type { LayerStore } from '../store/image-store.ts';
import type { ImageSummary } from '../store/types.ts';
import type { ApiContext } from './context.ts';
import { withStatus } from './gc.ts';
import { sendJson } from './respond.ts';
import { HttpError, type Route } from './router.ts';

export interface ImageContext extends ApiContext {
  store: LayerStore;
  collector: Collector;
}

/** Images this device could run: those of its root image and those that were swapped in. */
export function imageRoutes({ store, supervisor, collector }: ImageContext): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/images/json',
      handler: async ({ response }) => {
        const images = await store.list();
        const users = (digest: Digest) => supervisor.instances().filter((c) => c.image?.digest === digest).length;
        const summaries = images.map(async (image) => ({
          Id: image.digest,
          ParentId: '',
          RepoTags: image.refs.map(withTag),
          RepoDigests: [],
          Created: Math.floor(Date.parse(image.createdAt) / 1000),
          Size: image.sizeBytes,
          SharedSize: -1,
          Containers: users(image.digest),
          Labels: (await store.get(image.digest).catch(() => undefined))?.config.config?.Labels ?? {},
        }));
        sendJson(response, 200, await Promise.all(summaries));
      },
    },
    {
      method: 'GET',
      pattern: '/images/{name*}/json',
      handler: async ({ params, response }) => {
        const summary = findImage(await store.list(), params.name ?? '');
        const { config } = await store.get(summary.digest);
        sendJson(response, 200, {
          Id: summary.digest,
          RepoTags: summary.refs.map(withTag),
          RepoDigests: [],
          Parent: '',
          Comment: '',
          Created: config.created ?? summary.createdAt,
          Author: '',
          Config: config.config ?? {},
          Architecture: config.architecture,
          Os: config.os,
          Size: summary.sizeBytes,
          GraphDriver: { Name: 'overlay2', Data: {} },
          RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
          Metadata: { LastTagTime: summary.createdAt },
        });
      },
    },
    {
      method: 'GET',
      pattern: '/images/{name*}/history',
      handler: async ({ params, response }) => {
        const summary = findImage(await store.list(), params.name ?? '');
        const { config } = await store.get(summary.digest);
        sendJson(response, 200, historyOf(config, summary));
      },
    },
    {
      method: 'DELETE',
      pattern: '/images/{name*}',
      handler: async ({ params, response }) => {
        const name = params.name ?? '';
        const { digest, refs } = findImage(await store.list(), name);
        const ref = refs.find((known) => withTag(known) === withTag(name));
        if (ref !== undefined && refs.length > 1) {
          await store.untag(ref);
          sendJson(response, 200, [{ Untagged: withTag(ref) }]);
          return;
        }
        const why = await collector.whyNeeded(digest);
        if (why !== undefined)
          throw new HttpError(409, `cannot remove the image ${name}: ${why}; see: gantry revisions`);
        const { items } = await withStatus(() => collector.collectImages(digest));
        sendJson(response, 200, [...refs.map((known) => ({ Untagged: withTag(known) })), ...deletedIn(items, digest)]);
      },
    },
    {
      method: 'POST',
      pattern: '/images/prune',
      handler: async ({ response }) => {
        const names = new Map((await store.known()).map(({ name, digest }) => [name, digest]));
        const { items, bytes } = await withStatus(() => collector.collectImages());
        const images = items.filter(({ kind }) => kind === 'image');
        const deleted = images.map(({ name }) => ({ Deleted: names.get(name) ?? name }));
        sendJson(response, 200, { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: bytes });
      },
    },
  ];
}

/** Newest first, as Docker has it. How large each layer is on its own is not known: layers are shared folders here. */
function historyOf(config: ImageConfig, { digest, refs, createdAt }: ImageSummary) {
  const unsaid: NonNullable<ImageConfig['history']> = config.rootfs.diff_ids.map((comment) => ({ comment }));
  const steps = config.history ?? unsaid;
  return steps.toReversed().map(({ created = createdAt, created_by = '', comment = '' }, at) => ({
    Id: at === 0 ? digest : '<missing>',
    Created: Math.floor(Date.parse(created) / 1000) || 0,
    CreatedBy: created_by,
    Tags: at === 0 ? refs.map(withTag) : null,
    Size: 0,
    Comment: comment,
  }));
}

function deletedIn(items: readonly GarbageItem[], image: Digest): { Deleted: string }[] {
  const layers = items.filter(({ kind }) => kind === 'layer').map(({ name }) => ({ Deleted: `sha256:${name}` }));
  return items.some(({ kind }) => kind === 'image') ? [{ Deleted: image }, ...layers] : layers;
}

/** Docker's clients expect a tag in every reference. */
const withTag = (ref: string) => (ref.slice(ref.lastIndexOf('/') + 1).includes(':') ? ref : `${ref}:latest`);

/** By reference, digest, or a unique beginning of its hexadecimal digits. */
export function findImage(images: ImageSummary[], name: string): ImageSummary {
  const named = images.find(
    ({ refs, digest }) => digest === name || refs.some((ref) => withTag(ref) === withTag(name)),
  );
  if (named) return named;
  const hex = (isDigest(name) ? name.slice(7) : name.replace(/^sha256:/, '')).toLowerCase();
  const found = /^[0-9a-f]{4,64}$/.test(hex) ? images.filter(({ digest }) => digest.slice(7).startsWith(hex)) : [];
  const [only] = found;
  if (!only || found.length > 1) throw new HttpError(404, `No such image: ${name}`);
  return only;
}
