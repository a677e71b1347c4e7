import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Arch, Digest, ImageConfig, Manifest } from '../../shared/oci/types.ts';
import { nearest } from '../../shared/text/nearest.ts';
import { type BuildOptions, buildComponent, readRecipe } from '../component/build.ts';
import { ComposeError } from '../errors.ts';
import { localStore, OciLayout } from '../oci/layout.ts';

export interface ResolvedImage {
  ref: string;
  digest: Digest;
  manifest: Manifest;
  config: ImageConfig;
  /** The layout that holds its blobs. */
  layout: OciLayout;
}

/**
 * Finds what an image name of an OS definition stands for: `oci:DIR[:REF]` is an image in that layout; any other name is
 * built from the recipe below the definition's folder that makes an image of that name, else taken from the local store.
 */
export class ImageResolver {
  readonly #arch: Arch;
  readonly #dirs: string[];
  readonly #options: BuildOptions;
  #recipes: Map<string, string> | undefined;

  constructor(arch: Arch, dirs: string[], options: Omit<BuildOptions, 'layout'>) {
    this.#arch = arch;
    this.#dirs = dirs;
    this.#options = { ...options, layout: localStore() };
  }

  async resolve(ref: string): Promise<ResolvedImage> {
    if (ref.startsWith('oci:')) return this.#fromLayout(ref);
    const layout = this.#options.layout;
    const recipe = (await this.#recipesByImage()).get(ref);
    if (recipe !== undefined) {
      const built = await buildComponent(recipe, this.#arch, this.#options);
      return { ref, digest: built.digest, layout, ...(await layout.image(built.digest)) };
    }
    const found = await layout.find(ref, this.#arch);
    if (found !== undefined) return { ref, digest: found.digest, layout, ...(await layout.image(found.digest)) };
    const known = [...(await this.#recipesByImage()).keys()];
    const hint = known.length > 0 ? ` (nearest: ${nearest(ref, known).join(', ')})` : '';
    throw new ComposeError(
      `there is no image ${ref} for ${this.#arch}: no recipe makes it, and the local store lacks it${hint}`,
    );
  }

  /** Every image that a recipe here makes, with the recipe's folder. */
  async #recipesByImage(): Promise<Map<string, string>> {
    if (this.#recipes !== undefined) return this.#recipes;
    const found = new Map<string, string>();
    for (const dir of this.#dirs) {
      for (const entry of (await readdir(dir, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
        const folder = join(dir, entry.name);
        if (!entry.isDirectory() || !existsSync(join(folder, 'recipe.yml'))) continue;
        const { image } = await readRecipe(folder);
        const other = found.get(image);
        if (other !== undefined) throw new ComposeError(`both ${other} and ${folder} make ${image}`);
        found.set(image, folder);
      }
    }
    this.#recipes = found;
    return found;
  }

  async #fromLayout(text: string): Promise<ResolvedImage> {
    const [, dir, ref] = /^oci:(.*?)(?::([^/]*:?[^/]*))?$/.exec(text) ?? [];
    const layout = new OciLayout(resolve(dir ?? ''));
    const { manifests } = await layout.index();
    const descriptor = ref === undefined ? manifests[0] : await layout.find(ref, this.#arch);
    if (descriptor === undefined) throw new ComposeError(`${layout.dir} has no image ${ref ?? ''} for ${this.#arch}`);
    const image = await layout.image(descriptor.digest);
    if (image.config.architecture !== this.#arch) {
      throw new ComposeError(`${text} is for ${image.config.architecture}, not ${this.#arch}`);
    }
    return { ref: ref ?? text, digest: descriptor.digest, layout, ...image };
  }
}
