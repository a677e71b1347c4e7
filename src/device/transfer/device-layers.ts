import { z } from 'zod';
import { digestSchema } from '../../shared/definition/revision.ts';
import type { Recipe } from '../../shared/delta/recipe.ts';
import { digestOf, hexOf } from '../../shared/oci/digest.ts';
import type { Digest } from '../../shared/oci/types.ts';
import type { ApiClient } from '../api-client.ts';
import { ApiError } from '../errors.ts';
import type { HostCache } from './host-cache.ts';

const layerSchema = z.object({ diffId: digestSchema, recipeBytes: z.number().int().nonnegative() });
const layersSchema = z.array(layerSchema);
const inventorySchema = z.object({ digest: digestSchema, layers: layersSchema.optional() });
/** Larger ones are not asked for: a recipe of so many files is 10 MB or more. In bytes. */
const largestRecipe = 32 << 20;

interface Context {
  api: Pick<ApiClient, 'get' | 'bytes'>;
  cache: HostCache;
  signal?: AbortSignal | undefined;
}

/** The layers that a device has a recipe of, and those recipes: as far as this host knows them, or asks for them. */
export class DeviceLayers {
  readonly #context: Context;
  /** Bytes of the compressed recipe, by layer. */
  readonly #layers: ReadonlyMap<Digest, number>;

  private constructor(context: Context, layers: z.output<typeof layersSchema>) {
    this.#context = context;
    this.#layers = new Map(layers.map(({ diffId, recipeBytes }) => [diffId, recipeBytes]));
  }

  /** Undefined when the device does not know of differences: it is of an older version. */
  static async read(context: Context): Promise<DeviceLayers | undefined> {
    const { api, cache, signal } = context;
    try {
      const { digest } = await api.get('/gantry/v1/layers', inventorySchema, { signal });
      const known = await cache.read('layers', hexOf(digest));
      const kept = known && layersSchema.safeParse(parsed(known));
      if (kept?.success) return new DeviceLayers(context, kept.data);
      const { layers = [] } = await api.get('/gantry/v1/layers?list=1', inventorySchema, { signal });
      // Other devices may have what the digest is of.
      const isOf = listDigest(layers.map(({ diffId }) => diffId)) === digest;
      if (isOf) await cache.write('layers', hexOf(digest), JSON.stringify(layers));
      return new DeviceLayers(context, layers);
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 405)) return undefined;
      throw error;
    }
  }

  /** The device has these layers now, too: unless others went, nobody needs to ask for the list again. */
  async noteArrived(diffIds: readonly Digest[]): Promise<void> {
    const known = new Map(this.#layers);
    for (const diffId of diffIds) known.set(diffId, known.get(diffId) ?? 0);
    const all = [...known].map(([diffId, recipeBytes]) => ({ diffId, recipeBytes }));
    const digest = listDigest([...known.keys()]);
    await this.#context.cache.write('layers', hexOf(digest), JSON.stringify(all));
  }

  has(diffId: Digest): boolean {
    return this.#layers.has(diffId);
  }

  get all(): readonly Digest[] {
    return [...this.#layers.keys()];
  }

  /** Bytes that asking for a recipe costs. */
  costOf(diffId: Digest): number {
    return this.#layers.get(diffId) ?? 0;
  }

  /** Of a layer that the device has, as far as it is known here. */
  async known(diffId: Digest): Promise<Recipe | undefined> {
    return this.has(diffId) ? this.#context.cache.recipe(diffId) : undefined;
  }

  /** The same, asking the device for what is not known. */
  async recipe(diffId: Digest): Promise<Recipe | undefined> {
    if (!this.has(diffId)) return undefined;
    const known = await this.known(diffId);
    if (known || this.costOf(diffId) > largestRecipe) return known;
    const { api, cache, signal } = this.#context;
    const path = `/gantry/v1/layers/${diffId}/recipe`;
    const answer = await api.bytes(path, largestRecipe, signal).catch((error: unknown) => {
      // It went meanwhile.
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    });
    return answer && cache.keepRecipe(diffId, answer);
  }
}

/** As a device names them: see `LayerInventory`. */
function listDigest(diffIds: readonly Digest[]): Digest {
  return digestOf(diffIds.toSorted().join('\n'));
}

function parsed(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}
