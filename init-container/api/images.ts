import { isDigest } from '../../src/shared/oci/digest.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import type { ImageSummary } from '../store/types.ts';
import type { ApiContext } from './context.ts';
import { sendJson } from './respond.ts';
import { HttpError, type Route } from './router.ts';

/** Images this device could run: those of its root image and those that were swapped in. */
export function imageRoutes({ store, supervisor }: ApiContext): Route[] {
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
  ];
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
