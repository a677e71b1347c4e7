import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Arch } from '../shared/oci/types.ts';

export const hostArch: Arch = process.arch === 'arm64' ? 'arm64' : 'amd64';

export function parseArch(text: string): Arch {
  if (text === 'amd64' || text === 'arm64') return text;
  throw new Error(`no architecture ${text}; Gantry builds amd64 and arm64`);
}

/** `gantry build OS.yml…`: an OS definition becomes a bootable image. */
export function register(program: Command): void {
  program
    .command('build')
    .description('compose a bootable image from OS definitions (LinuxKit YAML); several are merged')
    .argument('<definition...>', 'YAML files')
    .option('-o, --output <dir>', 'folder that becomes the image (default: build/NAME-ARCH)')
    .option('--arch <arch>', 'amd64 or arm64', parseArch, hostArch)
    .option('--dry-run', 'check everything and show what would be composed, but build nothing')
    .option('--relock-gone', 'where the archive no longer has a locked package, take what it has now')
    .option('--json', 'print the result as JSON')
    .action(async (definitions: string[], options: BuildCommandOptions) => {
      const { buildOs, describeOs } = await import('../compose/build-os.ts');
      const { progressPrinter } = await import('./progress.ts');
      if (options.dryRun) {
        const described = await describeOs(definitions);
        process.stdout.write(`${JSON.stringify(described, null, 2)}\n`);
        return;
      }
      const { basename } = await import('node:path');
      const name = basename(definitions[0] ?? 'os').replace(/\.ya?ml$/, '');
      const outDir = resolve(options.output ?? `build/${name}-${options.arch}`);
      const progress = progressPrinter();
      const built = await buildOs({
        definitions,
        arch: options.arch,
        outDir,
        relockGone: options.relockGone ?? false,
        onProgress: progress.report,
      });
      progress.done(built.reused ? `${built.dir} is up to date` : `composed ${built.dir}`);
      if (options.json) process.stdout.write(`${JSON.stringify(built)}\n`);
      else {
        const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
        const { kernel, initrd, root } = built.sizes;
        process.stdout.write(`${built.dir}\n  kernel ${mb(kernel)}  initrd ${mb(initrd)}  root ${mb(root)}\n`);
      }
    });
}

interface BuildCommandOptions {
  output?: string;
  arch: Arch;
  dryRun?: boolean;
  relockGone?: boolean;
  json?: boolean;
}
