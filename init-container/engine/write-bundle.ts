import { statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import { replaceFile } from '../native/atomic-file.ts';
import { journal } from '../native/journal.ts';
import { distribution } from '../native/machine.ts';
import { runOnHostOrThrow } from '../native/run.ts';
import type { StoredImage } from '../store/types.ts';
import { bundleSpec } from './bundle.ts';
import { availableCapabilities } from './capabilities.ts';
import { writeConfigFiles } from './config-files.ts';
import { availableControllers, keepableLimits } from './controllers.ts';
import { resolveUser } from './image-user.ts';
import { machinePath, onMachine } from './machine-paths.ts';
import { type OciSpec, ociJson } from './oci-spec.ts';
import { componentOf, containerCgroup, containerPaths } from './paths.ts';

export interface BundleParts {
  image: StoredImage;
  /** The component's, merged. */
  config: ComponentConfig;
  /** Folders of its volumes by name. */
  volumes: ReadonlyMap<string, string>;
  /** Limit of its processes, when the definition says nothing. */
  defaultPids: number | undefined;
  /** The program says on a socket when it is ready. */
  notify: boolean;
}

/** Writes the files that crun makes a container from: its runtime configuration and those of its definition. */
export async function writeBundle(instance: string, parts: BundleParts): Promise<void> {
  const { image, config, volumes, defaultPids } = parts;
  const { rootfs, files, notify, spec: specFile } = containerPaths(instance);
  const full = bundleSpec({
    image: image.config,
    config: inOwnCgroup(config, instance),
    user: await resolveUser(image.config.config?.User, image.layers),
    rootfs,
    arch: process.arch === 'arm64' ? 'arm64' : 'amd64',
    volumes,
    files: await writeConfigFiles(files, config.files ?? []),
    cgroup: containerCgroup(instance),
    defaultPids,
    capabilities: await availableCapabilities(),
    lookupDevice,
    notify: parts.notify ? notify : undefined,
  });
  const spec = await withinLimits(componentOf(instance), full);
  await replaceFile(specFile, ociJson(distribution === undefined ? spec : onMachine(spec)));
}

/** LinuxKit's `runtime`: folders and cgroups of the device that must exist before the container starts. */
export async function prepareHost(config: ComponentConfig): Promise<void> {
  const wanted = config.runtime?.mkdir ?? [];
  const folders = distribution === undefined ? wanted : wanted.map((folder) => machinePath(folder));
  if (folders.length > 0) await runOnHostOrThrow(['busybox', 'mkdir', '-p', '--', ...folders]);
  for (const cgroup of config.runtime?.cgroups ?? []) {
    await mkdir(`/sys/fs/cgroup/${cgroup.replace(/^\/+/, '')}`, { recursive: true });
  }
}

/** A cgroup that the definition names belongs to one container; what is in it ends with that one. */
function inOwnCgroup(config: ComponentConfig, instance: string): ComponentConfig {
  const { cgroupsPath } = config;
  const second = instance !== componentOf(instance);
  return cgroupsPath === undefined || !second ? config : { ...config, cgroupsPath: `${cgroupsPath}.2` };
}

/** Without the limits that this machine cannot keep, as Docker does it: a warning says so, and the container runs. */
async function withinLimits(name: string, spec: OciSpec): Promise<OciSpec> {
  const { kept, lost } = keepableLimits(spec.linux.resources, await availableControllers());
  if (lost.length === 0) return spec;
  journal(
    `${name}: its limits of ${lost.join(', ')} are not kept: cgroup v2 of this machine has no controllers for them`,
  );
  return { ...spec, linux: { ...spec.linux, resources: kept } };
}

/** Type and numbers of a device node. glibc's encoding of st_rdev. */
function lookupDevice(path: string): { type: string; major: number; minor: number } | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (!stat || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  const { rdev } = stat;
  return {
    type: stat.isBlockDevice() ? 'b' : 'c',
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & ~0xffn & 0xffffffffn)),
  };
}
