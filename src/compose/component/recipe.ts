import { z } from 'zod';
import { componentConfigSchema } from '../../shared/definition/component-config.ts';

/**
 * How a component image is made: Debian packages plus our files, an npm package's files, a bundled JavaScript program,
 * or a kernel. One folder with a `recipe.yml`; its lock file `lock.json` beside it pins everything downloaded.
 */
const perArch = z.union([z.string(), z.strictObject({ amd64: z.string(), arm64: z.string() })]);

export const fileSchema = z.strictObject({
  path: z.string().regex(/^\/?[^\0]+$/),
  directory: z.boolean().optional(),
  symlink: z.string().optional(),
  contents: z.string().optional(),
  /** Path of a file on the host, relative to the YAML that names it; `~/` is the home folder. */
  source: z.string().optional(),
  optional: z.boolean().optional(),
  mode: z.union([z.string().regex(/^[0-7]{3,4}$/), z.number().int()]).optional(),
  uid: z.union([z.number().int(), z.string()]).optional(),
  gid: z.union([z.number().int(), z.string()]).optional(),
});
export type FileSpec = z.infer<typeof fileSchema>;

export const recipeSchema = z.strictObject({
  /** `name:tag` of the image that comes out. */
  image: z.string().regex(/^[a-z0-9][a-z0-9._/-]*:[A-Za-z0-9_.-]+$/, 'not an image name such as web:1'),
  description: z.string().optional(),
  /** Another recipe's folder: start from all of its layers and settings. */
  from: z.string().optional(),
  /** Debian packages; what they depend on comes with them. */
  packages: z.array(z.string()).default([]),
  /** The parts of Debian's archive that they are in. */
  areas: z.array(z.enum(['main', 'contrib', 'non-free', 'non-free-firmware'])).default(['main']),
  /** Packages left out although something depends on them; a trailing `*` matches any ending. */
  without: z.array(z.string()).default([]),
  /** Adds busybox with a link for every applet: a shell and tools to debug with. */
  busybox: z.boolean().default(false),
  npm: z
    .array(z.strictObject({ name: perArch, version: z.string(), files: z.record(z.string(), z.string()) }))
    .default([]),
  /** TypeScript or JavaScript programs, each bundled to one file. */
  bundles: z
    .array(z.strictObject({ entry: z.string(), path: z.string(), external: z.array(z.string()).default([]) }))
    .default([]),
  /**
   * A Debian kernel package; `modules` and all they need go into `kernel.tar`, as LinuxKit's kernel images have it. Device trees
   * are named as in the package, below its folder of them, and go into `device-trees`.
   */
  kernel: z
    .strictObject({
      package: perArch,
      modules: z.array(
        z.union([z.string(), z.strictObject({ amd64: z.string() }), z.strictObject({ arm64: z.string() })]),
      ),
      device_trees: z
        .strictObject({ amd64: z.array(z.string()), arm64: z.array(z.string()) })
        .partial()
        .default({}),
    })
    .optional(),
  /** Users and groups of these names and numbers; root is always there. */
  users: z.record(z.string(), z.number().int()).default({}),
  files: z.array(fileSchema).default([]),
  entrypoint: z.array(z.string()).optional(),
  cmd: z.array(z.string()).optional(),
  env: z.array(z.string()).optional(),
  user: z.string().optional(),
  workdir: z.string().optional(),
  stop_signal: z.string().optional(),
  /** Default configuration of the component: becomes the label `org.mobyproject.config`. */
  config: componentConfigSchema.optional(),
});
export type Recipe = z.infer<typeof recipeSchema>;

/** The modules of a kernel that this architecture has. */
export function modulesFor(kernel: NonNullable<Recipe['kernel']>, arch: 'amd64' | 'arm64'): string[] {
  return kernel.modules.flatMap((module) => {
    if (typeof module === 'string') return [module];
    const name = (module as { amd64?: string; arm64?: string })[arch];
    return name === undefined ? [] : [name];
  });
}

export function forArch(value: z.infer<typeof perArch>, arch: 'amd64' | 'arm64'): string {
  return typeof value === 'string' ? value : value[arch];
}
