import { join, resolve } from 'node:path';
import { canonicalJson } from '../../shared/canonical-json.ts';
import { configLabel } from '../../shared/definition/component-config.ts';
import { type Arch, type Digest, type ImageConfig, type Manifest, mediaTypes } from '../../shared/oci/types.ts';
import { ComposeError } from '../errors.ts';
import { applyLayer } from '../image/flatten.ts';
import type { Layer } from '../oci/layer.ts';
import { missingLibraries } from './check-libraries.ts';
import { type FileFacts, layerFacts } from './layer-facts.ts';
import { type BuildOptions, readRecipe, recipeLayers } from './layers.ts';
import type { Recipe } from './recipe.ts';

export { type BuildOptions, readRecipe } from './layers.ts';

export interface BuiltImage {
  ref: string;
  digest: Digest;
  size: number;
}

/** Builds the image of the recipe in `dir` for `arch` into the layout and tags it there. Same input, same bytes. */
export async function buildComponent(dir: string, arch: Arch, options: BuildOptions): Promise<BuiltImage> {
  const recipe = await readRecipe(dir, options.onRead);
  const layers = await recipeLayers(dir, recipe, arch, options);
  await checkLibraries(dir, recipe, layers, arch, options);
  const settings = await inheritedSettings(dir, recipe);
  const config: ImageConfig = {
    architecture: arch,
    os: 'linux',
    config: {
      ...(settings.user === undefined ? {} : { User: settings.user }),
      Env: settings.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      ...(settings.entrypoint === undefined ? {} : { Entrypoint: settings.entrypoint }),
      ...(settings.cmd === undefined ? {} : { Cmd: settings.cmd }),
      ...(settings.workdir === undefined ? {} : { WorkingDir: settings.workdir }),
      ...(settings.stop_signal === undefined ? {} : { StopSignal: settings.stop_signal }),
      Labels: {
        ...(settings.description === undefined ? {} : { 'org.opencontainers.image.description': settings.description }),
        ...(settings.config === undefined ? {} : { [configLabel]: canonicalJson(settings.config) }),
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((layer) => ({ created_by: layer.createdBy })),
  };
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: await options.layout.writeBlob(canonicalJson(config), mediaTypes.config),
    layers: layers.map((layer) => layer.descriptor),
  };
  const descriptor = await options.layout.writeBlob(canonicalJson(manifest), mediaTypes.manifest);
  await options.layout.tag(recipe.image, descriptor, arch);
  const size = layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
  return { ref: recipe.image, digest: descriptor.digest, size };
}

/** Refuses an image whose programs lack libraries. */
async function checkLibraries(
  dir: string,
  recipe: Recipe,
  layers: Layer[],
  arch: Arch,
  options: BuildOptions,
): Promise<void> {
  if (recipe.kernel !== undefined) return;
  const files = new Map<string, FileFacts>();
  for (const layer of layers) await applyLayer(files, await layerFacts(options.layout, layer));
  const problems = missingLibraries(files, arch);
  if (problems.length > 0) {
    throw new ComposeError(
      `${recipe.image} for ${arch} would not run:\n  ${problems.join('\n  ')}\nDoes "without" leave out too much?`,
      join(dir, 'recipe.yml'),
    );
  }
}

/** Settings of the recipe over those of the recipes it is made from. */
async function inheritedSettings(dir: string, recipe: Recipe): Promise<Recipe> {
  if (recipe.from === undefined) return recipe;
  const baseDir = resolve(dir, recipe.from);
  const base = await inheritedSettings(baseDir, await readRecipe(baseDir));
  const own = Object.fromEntries(Object.entries(recipe).filter(([, value]) => value !== undefined));
  return { ...base, ...own, config: { ...base.config, ...recipe.config } };
}
