import { join } from 'node:path';
import { buildComponent } from '../../src/compose/component/build.ts';
import { buildOs } from '../../src/compose/build-os.ts';
import { OciLayout } from '../../src/compose/oci/layout.ts';
import type { Progress } from '../../src/compose/progress.ts';
import { ensureDemoKey } from '../../src/emulator/index.ts';
import type { Arch } from '../../src/shared/oci/types.ts';
import { imageDir, ociDir, root, testEnvironment } from './support/paths.ts';

export const arches: Arch[] = ['amd64', 'arm64'];

/** Composes what the tests boot: the demo OS and the web images to swap in, for both architectures. */
export default async function setup(): Promise<void> {
  Object.assign(process.env, testEnvironment);
  const { publicKeyFile } = ensureDemoKey();
  const started = Date.now();
  const say = (text: string) => process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1).padStart(7)} s  ${text}\n`);
  const onProgress = ({ step, detail }: Progress) => {
    if (step !== 'component') say(`${step}: ${detail ?? ''}`);
  };
  for (const arch of arches) {
    const key = { path: '/etc/gantry/authorized_keys', source: publicKeyFile, mode: '0600' };
    const definitions = [join(root, 'images/demo.yml')];
    const built = await buildOs({ definitions, arch, outDir: imageDir(arch), extraFiles: [key], relockGone: true, onProgress });
    say(`${built.reused ? 'reused' : 'composed'} the demo OS for ${arch}`);
    const layout = new OciLayout(ociDir(arch));
    for (const name of ['web', 'web-2', 'web-broken']) {
      await buildComponent(join(root, 'images', name), arch, { layout, relockGone: true, onProgress });
    }
  }
}
