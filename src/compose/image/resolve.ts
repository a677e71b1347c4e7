import type { ComponentSpec, Revision } from '../../shared/definition/revision.ts';
import type { Arch } from '../../shared/oci/types.ts';
import type { LoadedDefinition } from '../definition/load.ts';
import { ComposeError } from '../errors.ts';
import type { OnProgress } from '../progress.ts';
import { ImageResolver, type ResolvedImage } from './images.ts';

export interface ResolveOptions {
  arch: Arch;
  /** One more image: what runs before the kernel. */
  loader?: string | undefined;
  relockGone?: boolean;
  onProgress?: OnProgress;
}

/** The images of an OS definition, by what they are for. */
export interface Resolved extends ResolvedUserland {
  kernel: ResolvedImage;
  loader?: ResolvedImage;
}

/** All but the kernel: what also runs on top of an existing distribution. */
export interface ResolvedUserland {
  bases: ResolvedImage[];
  init: ResolvedImage;
  containers: Map<string, ResolvedImage>;
}

/** Builds or finds every image that the definition names. */
export async function resolveImages(definition: LoadedDefinition, options: ResolveOptions): Promise<Resolved> {
  const get = imageGetter(definition, options);
  const kernel = await get(definition.kernel.image);
  const loader = options.loader === undefined ? undefined : await get(options.loader);
  return { kernel, ...(loader && { loader }), ...(await userland(definition, get)) };
}

/** As `resolveImages`, without the kernel. */
export function resolveUserland(definition: LoadedDefinition, options: ResolveOptions): Promise<ResolvedUserland> {
  return userland(definition, imageGetter(definition, options));
}

type GetImage = (ref: string) => Promise<ResolvedImage>;

function imageGetter(definition: LoadedDefinition, options: ResolveOptions): GetImage {
  const resolver = new ImageResolver(options.arch, definition.dirs, {
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
    relockGone: options.relockGone ?? false,
  });
  return (ref) => {
    options.onProgress?.({ step: 'component', detail: ref });
    return resolver.resolve(ref);
  };
}

async function userland(definition: LoadedDefinition, get: GetImage): Promise<ResolvedUserland> {
  const inits: ResolvedImage[] = [];
  for (const ref of definition.init) inits.push(await get(ref));
  const init = inits.filter(isInitContainer);
  if (init.length !== 1 || init[0] === undefined) {
    throw new ComposeError(
      `init must name exactly one image with an entrypoint (the init container); ${init.length} of ${definition.init.join(', ')} have one`,
    );
  }
  const containers = new Map<string, ResolvedImage>();
  for (const container of [...definition.onboot, ...definition.services, ...definition.onshutdown]) {
    containers.set(container.name, await get(container.image));
  }
  return { bases: inits.filter((image) => !isInitContainer(image)), init: init[0], containers };
}

/** LinuxKit's `init` images are plain trees of files; the one that says what to start is the init container. */
function isInitContainer(image: ResolvedImage): boolean {
  return (image.config.config?.Entrypoint ?? []).length > 0;
}

/** The factory revision: what runs, and how, with images by digest. */
export function makeRevision(
  definition: LoadedDefinition,
  images: ResolvedUserland & { kernel?: ResolvedImage },
): Revision {
  const components: Record<string, ComponentSpec> = {};
  const add = (name: string, kind: ComponentSpec['kind'], image: ResolvedImage, order: number, config = {}) => {
    components[name] = { kind, image: { ref: image.ref, digest: image.digest }, order, config };
  };
  if (images.kernel !== undefined) add('kernel', 'kernel', images.kernel, 0);
  images.bases.forEach((image, i) => {
    add(i === 0 ? 'base' : `base-${i + 1}`, 'base', image, i);
  });
  add('init', 'init', images.init, 0);
  const lists = [
    ['onboot', definition.onboot],
    ['service', definition.services],
    ['onshutdown', definition.onshutdown],
  ] as const;
  for (const [kind, list] of lists) {
    list.forEach((container, order) => {
      const { name, image: _ref, ...config } = container;
      const image = images.containers.get(name);
      if (image !== undefined) add(name, kind, image, order, config);
    });
  }
  if (definition.volumes.length === 0) return { schema: 1, components };
  const volumes = Object.fromEntries(definition.volumes.map(({ name, persistence }) => [name, { persistence }]));
  return { schema: 1, components, volumes };
}
