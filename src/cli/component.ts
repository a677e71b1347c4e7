import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Arch } from '../shared/oci/types.ts';
import { hostArch, parseArch } from './build.ts';

/** `gantry component …`: component images from recipes. */
export function register(program: Command): void {
  const component = program.command('component').description('component images from recipes');

  component
    .command('build')
    .description('build the image of the recipe in each folder')
    .argument('<dir...>', 'folders with a recipe.yml')
    .option('-o, --output <dir>', "OCI layout to write to (default: Gantry's local store, where `swap` finds it)")
    .option('--arch <arch>', 'amd64 or arm64', parseArch, hostArch)
    .option('--relock-gone', 'where the archive no longer has a locked package, take what it has now')
    .option('--json', 'print the results as JSON')
    .action(async (dirs: string[], options: ComponentBuildOptions) => {
      const { buildComponent } = await import('../compose/component/build.ts');
      const { localStore, OciLayout } = await import('../compose/oci/layout.ts');
      const { progressPrinter } = await import('./progress.ts');
      const layout = options.output === undefined ? localStore() : new OciLayout(resolve(options.output));
      const progress = progressPrinter();
      const results = [];
      for (const dir of dirs) {
        const relockGone = options.relockGone ?? false;
        results.push(
          await buildComponent(resolve(dir), options.arch, { layout, relockGone, onProgress: progress.report }),
        );
      }
      progress.done(`built ${results.map((r) => r.ref).join(', ')} in ${layout.dir}`);
      if (options.json) process.stdout.write(`${JSON.stringify(results)}\n`);
      else for (const r of results) process.stdout.write(`${r.ref}  ${r.digest}  ${(r.size / 1e6).toFixed(1)} MB\n`);
    });

  component
    .command('lock')
    .description('pin what the recipes download: resolve it now and write lock.json, for both architectures')
    .argument('<dir...>', 'folders with a recipe.yml')
    .action(async (dirs: string[]) => {
      const { readRecipe } = await import('../compose/component/build.ts');
      const { writeLock } = await import('../compose/component/lock.ts');
      for (const dir of dirs) {
        await writeLock(resolve(dir), await readRecipe(resolve(dir)), ['amd64', 'arm64']);
        process.stdout.write(`${dir}/lock.json\n`);
      }
    });
}

interface ComponentBuildOptions {
  output?: string;
  arch: Arch;
  relockGone?: boolean;
  json?: boolean;
}
