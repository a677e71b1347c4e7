import { join } from 'node:path';
import { type BuiltOs, buildOs } from '../../../src/compose/build-os.ts';
import { buildComponent } from '../../../src/compose/component/build.ts';
import { imageBoard } from '../../../src/compose/image/boards.ts';
import { OciLayout } from '../../../src/compose/oci/layout.ts';
import type { Progress } from '../../../src/compose/progress.ts';
import { ensureDemoKey } from '../../../src/emulator/index.ts';
import type { Arch } from '../../../src/shared/oci/types.ts';
import { imageDir, ociDir, root, work } from './paths.ts';

export type Say = (text: string) => void;

/** Says to standard error what goes on, with the seconds since this was called. */
export function sayWithTime(): Say {
  const started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(1).padStart(7);
  return (text) => void process.stderr.write(`${seconds()} s  ${text}\n`);
}

/**
 * Composes the demo OS with the demo's key in it and what `more` definitions add; `outDir` is by default where `boot`
 * finds it.
 */
export async function composeDemo(
  arch: Arch,
  say: Say,
  outDir = imageDir(arch),
  more: string[] = [],
): Promise<BuiltOs> {
  const key = { path: '/etc/gantry/authorized_keys', source: ensureDemoKey().publicKeyFile, mode: '0600' };
  const definitions = [join(root, 'images/demo.yml'), ...more];
  const onProgress = progressTo(say);
  const built = await buildOs({ definitions, arch, outDir, extraFiles: [key], relockGone: true, onProgress });
  say(`${built.reused ? 'reused' : 'composed'} the demo OS for ${arch}`);
  return built;
}

/** Composes a device with nothing but the web server for a board; the folder of the image. */
export async function composeForBoard(board: string, say: Say): Promise<string> {
  const outDir = join(work, `web-${board}`);
  const definitions = [join(root, 'images/web.yml')];
  const built = await buildOs({
    definitions,
    arch: imageBoard({ board }).arch,
    board,
    outDir,
    relockGone: true,
    onProgress: progressTo(say),
  });
  say(`${built.reused ? 'reused' : 'composed'} the web server's OS for ${board}`);
  return outDir;
}

/** Builds the web images to swap in, where `Machine.web` finds them. */
export async function composeWebs(arch: Arch, say: Say): Promise<void> {
  const layout = new OciLayout(ociDir(arch));
  for (const name of ['web', 'web-2', 'web-broken']) {
    await buildComponent(join(root, 'images', name), arch, { layout, relockGone: true, onProgress: progressTo(say) });
  }
}

export function progressTo(say: Say): (progress: Progress) => void {
  return ({ step, detail }) => {
    if (step !== 'component') say(`${step}: ${detail ?? ''}`);
  };
}
