import { z } from 'zod';
import { parseByteSize } from '../byte-size.ts';
import { parseDuration } from '../duration.ts';

/**
 * What an OS definition may say about one system container: LinuxKit's per-image fields (docs/yaml.md there) and, under
 * Compose's names, the fields LinuxKit has nothing for. The same schema checks the YAML on the host, the
 * `org.mobyproject.config` label of an image, and a revision that reaches a device.
 */
export const durationSchema = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, 'not a duration such as 5s or 1m30s');
const envEntry = z.string().regex(/^[^=\0]+=[^\0]*$/, 'not NAME=value');
const absolutePath = z.string().regex(/^\/[^\0]*$/, 'not an absolute path');

const mount = z.strictObject({
  destination: absolutePath,
  type: z.string().optional(),
  source: z.string().optional(),
  options: z.array(z.string()).optional(),
});

const device = z.strictObject({
  path: z.string(),
  type: z.enum(['b', 'c', 'u', 'p']).optional(),
  major: z.number().int().optional(),
  minor: z.number().int().optional(),
  mode: z.string().optional(),
});

export const healthcheckSchema = z.strictObject({
  /** Compose: `["CMD", ...]`, `["CMD-SHELL", "..."]`, `["NONE"]`, or a string that a shell runs. */
  test: z.union([z.string(), z.array(z.string()).min(1)]).optional(),
  /** `http://host:port/path`, asked from the container's network namespace; 2xx and 3xx are healthy. */
  http: z.url().optional(),
  /** `host:port`; healthy when a connection is accepted. */
  tcp: z
    .string()
    .regex(/^.+:\d+$/, 'not host:port')
    .optional(),
  /** Healthy once the program has said `READY=1` on `$NOTIFY_SOCKET`. Source: sd_notify(3). */
  ready: z.literal(true).optional(),
  interval: durationSchema.optional(),
  timeout: durationSchema.optional(),
  retries: z.number().int().positive().optional(),
  start_period: durationSchema.optional(),
  start_interval: durationSchema.optional(),
  disable: z.boolean().optional(),
});

const dependency = z.strictObject({
  condition: z.enum(['started', 'healthy', 'completed_successfully']).default('started'),
});

/** A plain one: no `.`, `..` or empty parts, and not the root itself. */
const filePath = z
  .string()
  .regex(/^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/, 'not the absolute path of a file, without . and ..');

/** A file of the container that comes with its configuration: changed by a swap that sends no image. */
const configFile = z.strictObject({
  path: filePath,
  contents: z.string(),
  mode: z
    .string()
    .regex(/^0?[0-7]{3,4}$/, 'not an octal mode')
    .optional(),
  uid: z.number().int().nonnegative().optional(),
  gid: z.number().int().nonnegative().optional(),
});

export const swapStrategies = ['stop-start', 'overlap', 'handover'] as const;

/** How this component is replaced by another revision of itself. */
const swapSettings = z.strictObject({
  /**
   * `stop-start`: the old one ends, then the new one starts. `overlap`: the new one is healthy before the old one ends.
   * `handover`: as `stop-start`, but the device holds the sockets of `listen` meanwhile, so that callers wait.
   */
  strategy: z.enum(swapStrategies).optional(),
  /** How long it and all that depend on it must stay healthy before the swap is committed. */
  stable: durationSchema.optional(),
  /** How long it may take to become healthy. */
  timeout: durationSchema.optional(),
});

export const componentConfigSchema = z.strictObject({
  capabilities: z.array(z.string()).optional(),
  'capabilities.add': z.array(z.string()).optional(),
  ambient: z.array(z.string()).optional(),
  binds: z.array(z.string()).optional(),
  'binds.add': z.array(z.string()).optional(),
  mounts: z.array(mount).optional(),
  tmpfs: z.array(z.string()).optional(),
  devices: z.array(device).optional(),
  command: z.array(z.string()).optional(),
  env: z.array(envEntry).optional(),
  cwd: absolutePath.optional(),
  net: z.string().optional(),
  ipc: z.string().optional(),
  uts: z.string().optional(),
  pid: z.string().optional(),
  readonly: z.boolean().optional(),
  maskedPaths: z.array(z.string()).optional(),
  readonlyPaths: z.array(z.string()).optional(),
  rootfsPropagation: z.string().optional(),
  uid: z.number().int().nonnegative().optional(),
  gid: z.number().int().nonnegative().optional(),
  additionalGids: z.array(z.number().int().nonnegative()).optional(),
  noNewPrivileges: z.boolean().optional(),
  hostname: z.string().optional(),
  oomScoreAdj: z.number().int().min(-1000).max(1000).optional(),
  cgroupsPath: z.string().optional(),
  sysctl: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
  resources: z.record(z.string(), z.unknown()).optional(),
  /** Compose's names for the limits that most need; they go before what `resources` says. */
  mem_limit: z
    .union([z.number().int().positive(), z.string()])
    .refine((size) => typeof size === 'number' || parseByteSize(size) !== undefined, 'not a size such as 64m or 1g')
    .optional(),
  cpus: z.number().positive().max(1024).optional(),
  /** -1: no limit. */
  pids_limit: z.union([z.literal(-1), z.number().int().positive()]).optional(),
  rlimits: z.array(z.string()).optional(),
  runtime: z
    .strictObject({ mkdir: z.array(absolutePath).optional(), cgroups: z.array(z.string()).optional() })
    .optional(),

  restart: z
    .string()
    .regex(/^(no|always|unless-stopped|on-failure(:\d+)?)$/, 'not one of no, always, unless-stopped, on-failure[:N]')
    .optional(),
  healthcheck: healthcheckSchema.optional(),
  depends_on: z.union([z.array(z.string()), z.record(z.string(), dependency)]).optional(),
  stop_grace_period: durationSchema.optional(),
  stop_signal: z.string().optional(),
  /** When it has failed and its `restart` policy gives up: go on, end the boot in a rescue shell (onboot only), or reboot. */
  on_failure: z.enum(['continue', 'halt', 'reboot']).optional(),
  /** The watchdog is fed only while this component is healthy. */
  critical: z.boolean().optional(),
  security_opt: z.array(z.string().regex(/^seccomp[=:]unconfined$/, 'not seccomp=unconfined')).optional(),
  files: z
    .array(configFile)
    .refine((files) => new Set(files.map(({ path }) => path)).size === files.length, 'the same path twice')
    .optional(),
  /** Sockets the device opens and passes as file descriptors 3…, as sd_listen_fds(3) says: `host:port` or a path. */
  listen: z
    .array(z.string().regex(/^(\/[^\0]+|(\[[0-9a-fA-F:]+\]|[^:/\s]+):\d{1,5})$/, 'not host:port or a path'))
    .optional(),
  swap: swapSettings.optional(),
});

export type ConfigFile = z.infer<typeof configFile>;
export type SwapStrategy = (typeof swapStrategies)[number];
export type ComponentConfig = z.infer<typeof componentConfigSchema>;
export type Healthcheck = z.infer<typeof healthcheckSchema>;

/** The image label that carries a component's default configuration as JSON, as LinuxKit's packages do. */
export const configLabel = 'org.mobyproject.config';

/**
 * The configuration in force: the image's own defaults with the OS definition laid over them field by field;
 * `capabilities.add` and `binds.add` append instead. Source: LinuxKit docs/yaml.md, "Image specification".
 */
export function mergeConfig(fromLabel: ComponentConfig, fromDefinition: ComponentConfig): ComponentConfig {
  const merged: ComponentConfig = { ...fromLabel, ...fromDefinition };
  const capabilities = [...(merged.capabilities ?? []), ...(merged['capabilities.add'] ?? [])];
  const binds = [...(merged.binds ?? []), ...(merged['binds.add'] ?? [])];
  delete merged['capabilities.add'];
  delete merged['binds.add'];
  if (capabilities.length > 0) merged.capabilities = [...new Set(capabilities)];
  if (binds.length > 0) merged.binds = [...new Set(binds)];
  return merged;
}
