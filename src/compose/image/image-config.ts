import { type ComponentConfig, componentConfigSchema, configLabel } from '../../shared/definition/component-config.ts';
import type { ResolvedImage } from './images.ts';

/** What an image says of how it runs; undefined when that is written wrong, which the device tells of. */
export function configOfImage(image: Pick<ResolvedImage, 'config'> | undefined): ComponentConfig | undefined {
  const label = image?.config.config?.Labels?.[configLabel];
  return componentConfigSchema.safeParse(label === undefined ? {} : parsed(label)).data;
}

function parsed(label: string): unknown {
  try {
    return JSON.parse(label);
  } catch {
    return undefined;
  }
}
