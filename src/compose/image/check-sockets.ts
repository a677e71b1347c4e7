import { mergeConfig } from '../../shared/definition/component-config.ts';
import { listenFault, longestSocketPath } from '../../shared/definition/listen.ts';
import type { Revision } from '../../shared/definition/revision.ts';
import { ComposeError } from '../errors.ts';
import { configOfImage } from './image-config.ts';
import type { ResolvedImage } from './images.ts';

/**
 * Throws on what cannot work with sockets and strategies, in the configuration that the device will use: what the
 * definition says over what the image says. `longestPath`: bytes that the path of a unix socket may have.
 */
export function checkSockets(
  revision: Revision,
  images: ReadonlyMap<string, Pick<ResolvedImage, 'config'>>,
  longestPath = longestSocketPath,
): void {
  const users = new Map<string, string>();
  for (const [name, { config }] of Object.entries(revision.components)) {
    const fromImage = configOfImage(images.get(name));
    // What else may be wrong with it is not about sockets.
    if (fromImage === undefined) continue;
    const merged = mergeConfig(fromImage, config);
    const fault = listenFault(merged);
    if (fault !== undefined) throw new ComposeError(`${name}: ${fault}`);
    for (const address of merged.listen ?? []) {
      const other = users.get(address);
      if (other !== undefined) throw new ComposeError(`${other} and ${name} both listen at ${address}`);
      if (address.startsWith('/') && Buffer.byteLength(address) > longestPath) {
        const why = `on top of a distribution the path of a unix socket has at most ${longestPath} bytes`;
        throw new ComposeError(`${name}: listen "${address}": ${why}`);
      }
      users.set(address, name);
    }
  }
}
