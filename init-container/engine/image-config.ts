import {
  type ComponentConfig,
  componentConfigSchema,
  configLabel,
  mergeConfig,
} from '../../src/shared/definition/component-config.ts';
import type { ComponentSpec } from '../../src/shared/definition/revision.ts';
import type { StoredImage } from '../store/types.ts';

/** The image's own defaults with the OS definition over them. Throws when the image's label is not a configuration. */
export function configOf(spec: ComponentSpec, image: Pick<StoredImage, 'config'>): ComponentConfig {
  const label = image.config.config?.Labels?.[configLabel];
  if (label === undefined) return mergeConfig({}, spec.config);
  let fromLabel: ComponentConfig;
  try {
    fromLabel = componentConfigSchema.parse(JSON.parse(label));
  } catch (error) {
    throw new Error(`the label ${configLabel} of image ${spec.image.ref} is not valid: ${(error as Error).message}`);
  }
  return mergeConfig(fromLabel, spec.config);
}

/** Whether the program itself says when it is ready. */
export function saysWhenReady({ healthcheck }: ComponentConfig): boolean {
  return healthcheck?.ready === true && healthcheck.disable !== true;
}
