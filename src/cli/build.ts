import { basename, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Arch } from '../shared/oci/types.ts';
import { note, printJson } from './output.ts';

export const hostArch: Arch = process.arch === 'arm64' ? 'arm64' : 'amd64';

export function parseArch(text: string): Arch {
  if (text === 'amd64' || text === 'arm64') return text;
  throw new InvalidArgumentError('Gantry builds amd64 and arm64.');
}

/** `gantry build OS.yml…`: an OS definition becomes a bootable image. */
export function register(program: Command): void {
  program
    .command('build')
    .description(
      'compose a bootable image, or a package for an existing distribution, from OS definitions (LinuxKit YAML); several are merged',
    )
    .argument('<definition...>', 'YAML files')
    .option(
      '-o, --output <path>',
      'what is written (default: the folder build/NAME-ARCH, or the file build/NAME-ARCH-host.run)',
    )
    .option('--arch <arch>', 'amd64 or arm64', parseArch, hostArch)
    .option(
      '--format <format>',
      'image: boots by itself; host: installs on an existing distribution',
      parseFormat,
      'image',
    )
    .option('--dry-run', 'check everything and show what would be composed, but build nothing')
    .option('--relock-gone', 'where the archive no longer has a locked package, take what it has now')
    .option('--json', 'print the result as JSON')
    .action(async (definitions: string[], options: BuildCommandOptions) => {
      const { buildOs, describeOs } = await import('../compose/build-os.ts');
      const { progressPrinter } = await import('./progress.ts');
      if (options.dryRun) {
        const described = await describeOs(definitions, { kernel: options.format === 'image' });
        process.stdout.write(`${JSON.stringify(described, null, 2)}\n`);
        return;
      }
      const name = basename(definitions[0] ?? 'os').replace(/\.ya?ml$/, '');
      const progress = progressPrinter();
      const common = {
        definitions,
        arch: options.arch,
        relockGone: options.relockGone ?? false,
        onProgress: progress.report,
      };
      if (options.format === 'host') {
        const { buildHostPackage } = await import('../compose/host-package/build.ts');
        const outFile = resolve(options.output ?? `build/${name}-${options.arch}-host.run`);
        const built = await buildHostPackage({ ...common, outFile });
        progress.done(`composed ${built.file}`);
        for (const sentence of built.leftOut) note(`left out ${sentence}`);
        if (options.json) printJson(built);
        else
          process.stdout.write(
            `${built.file}\n  ${megabytes(built.bytes)}; on the machine: sudo sh ${basename(built.file)}\n`,
          );
        return;
      }
      const outDir = resolve(options.output ?? `build/${name}-${options.arch}`);
      const built = await buildOs({ ...common, outDir });
      progress.done(built.reused ? `${built.dir} is up to date` : `composed ${built.dir}`);
      if (options.json) process.stdout.write(`${JSON.stringify(built)}\n`);
      else {
        const { kernel, initrd, root } = built.sizes;
        process.stdout.write(
          `${built.dir}\n  kernel ${megabytes(kernel)}  initrd ${megabytes(initrd)}  root ${megabytes(root)}\n`,
        );
      }
    });
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function parseFormat(text: string): BuildCommandOptions['format'] {
  if (text === 'image' || text === 'host') return text;
  throw new InvalidArgumentError('Gantry writes image and host.');
}

interface BuildCommandOptions {
  format: 'image' | 'host';
  output?: string;
  arch: Arch;
  dryRun?: boolean;
  relockGone?: boolean;
  json?: boolean;
}
