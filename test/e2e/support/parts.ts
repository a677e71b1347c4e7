import { join } from 'node:path';
import { buildComponent } from '../../../src/compose/component/build.ts';
import { OciLayout } from '../../../src/compose/oci/layout.ts';
import type { SwapEvent } from '../../../src/shared/api/types.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';
import { gantry } from './gantry.ts';
import { ociDir, root } from './paths.ts';

/** Components to swap in as init container, base or kernel. */
export const partsDir = join(root, 'test/e2e/parts');

/** Kernels and the rest have layouts of their own: their tests run side by side. */
const layoutFor = (arch: Arch, name: string) => `${ociDir(arch)}-${name.startsWith('kernel') ? 'kernels' : 'parts'}`;

export const partImage = (arch: Arch, ref: string) => `oci:${layoutFor(arch, ref)}:${ref}`;

export async function composeParts(arch: Arch, names: string[]): Promise<void> {
  for (const name of names) {
    const layout = new OciLayout(layoutFor(arch, name));
    await buildComponent(join(partsDir, name), arch, { layout, relockGone: true });
  }
}

/** `gantry swap`, followed to its end. `last`: what the device said then. */
export async function swapPart(target: string, name: string, ref: string) {
  const outcome = await gantry('-d', target, 'swap', name, ref, '--json');
  const lines = outcome.stdout.split('\n').filter(Boolean);
  const events = lines.map((line) => JSON.parse(line) as SwapEvent);
  return { code: outcome.code, stderr: outcome.stderr, last: events.at(-1)?.message ?? '' };
}
