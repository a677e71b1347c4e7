import { componentConfigSchema, configLabel, mergeConfig } from '../../shared/definition/component-config.ts';
import { listenFault } from '../../shared/definition/listen.ts';
import type { Revision } from '../../shared/definition/revision.ts';
import { ComposeError } from '../errors.ts';
import type { ResolvedImage } from './images.ts';

/**
 * Throws on what cannot work with sockets and strategies, in the configuration that the device will use: what the
 * definition says over what the image says.
 */
export function checkSockets(revision: Revision, images: ReadonlyMap<string, Pick<ResolvedImage, 'config'>>): void {
  const users = new Map<string, string>();
  for (const [name, { config }] of Object.entries(revision.components)) {
    const label = images.get(name)?.config.config?.Labels?.[configLabel];
    const fromImage = componentConfigSchema.safeParse(label === undefined ? {} : parsed(label));
    // What else may be wrong with a label is not about sockets.
    if (!fromImage.success) continue;
    const merged = mergeConfig(fromImage.data, config);
    const fault = listenFault(merged);
    if (fault !== undefined) throw new ComposeError(`${name}: ${fault}`);
    for (const address of merged.listen ?? []) {
      const other = users.get(address);
      if (other !== undefined) throw new ComposeError(`${other} and ${name} both listen at ${address}`);
      users.set(address, name);
    }
  }
}

function parsed(label: string): unknown {
  try {
    return JSON.parse(label);
  } catch {
    return undefined;
  }
}
