import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ComponentConfig } from '../../src/shared/definition/component-config.ts';
import type { ImageConfig } from '../../src/shared/oci/types.ts';
import { bundleSpec } from './bundle.ts';
import { availableCapabilities, expandCapabilities } from './capabilities.ts';
import { resolveUser } from './image-user.ts';
import { ociJson } from './oci-spec.ts';
import { bindMount, devicesOf, mountsOf, rlimit } from './spec-parts.ts';

const image = (config: ImageConfig['config']): ImageConfig => ({
  architecture: 'amd64',
  os: 'linux',
  config,
  rootfs: { type: 'layers', diff_ids: [] },
});

const build = (config: ComponentConfig, imageConfig: ImageConfig['config'] = { Cmd: ['/bin/true'] }) =>
  bundleSpec({
    image: image(imageConfig),
    config,
    user: { uid: 5, gid: 6 },
    rootfs: '/r',
    arch: 'amd64',
    volumes: new Map([['data', '/var/lib/gantry/volumes/permanent/data']]),
    files: [],
    defaultPids: 2048,
    cgroup: '/gantry/containers/x',
    capabilities: ['CAP_CHOWN', 'CAP_SYS_ADMIN', 'CAP_NET_ADMIN'],
    lookupDevice: (path) => (path === '/dev/null' ? { type: 'c', major: 1, minor: 3 } : undefined),
  });

test('nothing is given that was not asked for', () => {
  const spec = build({});
  expect(spec.process.capabilities.bounding).toEqual([]);
  expect(spec.process.noNewPrivileges).toBe(true);
  expect(spec.linux.namespaces.map(({ type }) => type)).toEqual(['mount', 'cgroup', 'pid']);
  expect(spec.linux.readonlyPaths).toContain('/proc/sys');
  expect(spec.linux.maskedPaths).toContain('/proc/kcore');
  expect(spec.linux.resources).toEqual({ devices: [{ allow: false, access: 'rwm' }], pids: { limit: 2048 } });
  expect(spec.root.readonly).toBe(true);
  expect(spec.linux.seccomp?.defaultAction).toBe('SCMP_ACT_ERRNO');
  expect(spec.process.env.some((entry) => entry.startsWith('PATH='))).toBe(true);
});

test('a program that says when it is ready finds the socket, whatever else is mounted there', () => {
  const input = { image: image({ Cmd: ['x'] }), user: { uid: 0, gid: 0 }, rootfs: '/r', cgroup: '/c' };
  const config = { tmpfs: ['/run'], env: ['A=1'] };
  const limits = { arch: 'amd64' as const, volumes: new Map(), files: [], defaultPids: 2048 };
  const rest = { ...limits, capabilities: [], lookupDevice: () => undefined };
  const spec = bundleSpec({ ...input, ...rest, config, notify: '/run/gantry/containers/x/notify' });
  expect(spec.process.env).toContain('NOTIFY_SOCKET=/run/notify/notify.sock');
  expect(spec.mounts.at(-1)).toMatchObject({ destination: '/run/notify', source: '/run/gantry/containers/x/notify' });
  const { process, mounts } = bundleSpec({ ...input, ...rest, config });
  expect(JSON.stringify([process.env, mounts])).not.toContain('notify');
});

test('the definition replaces what the image says, and LinuxKit words mean what they mean there', () => {
  const spec = build(
    {
      command: ['/x'],
      env: ['A=1'],
      cwd: '/w',
      uid: 9,
      net: 'none',
      pid: 'host',
      uts: 'new',
      hostname: 'box',
      readonly: true,
    },
    { Entrypoint: ['/e'], Cmd: ['c'], Env: ['PATH=/p', 'B=2'], WorkingDir: '/i' },
  );
  expect(spec.process.args).toEqual(['/x']);
  expect(spec.process.env.filter((entry) => !entry.startsWith('PATH='))).toEqual(['A=1']);
  expect([spec.process.cwd, spec.process.user.uid, spec.process.user.gid]).toEqual(['/w', 9, 6]);
  expect(spec.linux.namespaces.map(({ type }) => type)).toEqual(['mount', 'cgroup', 'network', 'uts']);
  expect([spec.hostname, spec.root.readonly]).toEqual(['box', true]);
  expect(build({}, { Entrypoint: ['/e'], Cmd: ['c'] }).process.args).toEqual(['/e', 'c']);
});

test('what opens the restrictions, and what does not', () => {
  const { linux, root } = build({ capabilities: ['all'] });
  expect([linux.maskedPaths, linux.readonlyPaths, linux.seccomp]).toEqual([[], [], undefined]);
  expect(root.readonly).toBe(true);
  const admin = build({ capabilities: ['SYS_ADMIN'] });
  expect(admin.linux.maskedPaths).toContain('/proc/kcore');
  expect(admin.linux.seccomp?.syscalls[0]?.names).toContain('mount');
  expect(build({ security_opt: ['seccomp=unconfined'] }).linux.seccomp).toBeUndefined();
  expect(build({ readonly: false }).root.readonly).toBe(false);
  expect(build({ capabilities: ['all'], readonlyPaths: ['/proc/sys'] }).linux.readonlyPaths).toEqual(['/proc/sys']);
});

test('sockets of the device are announced to the first process, and to no other', () => {
  const { env } = build({ listen: ['0.0.0.0:80', '/run/x.sock'], env: ['A=1'] }).process;
  expect(env.slice(-3)).toEqual(['A=1', 'LISTEN_FDS=2', 'LISTEN_PID=1']);
  expect(build({}).process.env.join()).not.toContain('LISTEN_');
  expect(() => build({ listen: ['0.0.0.0:80'], net: 'new' })).toThrow('net: host');
});

test('what cannot be run is said', () => {
  expect(() => build({}, {})).toThrow('says what to run');
  expect(() => build({ net: 'bridge' })).toThrow('"bridge" is not host, new or a path');
  expect(() => build({ capabilities: ['CAP_FLY'] })).toThrow('no capability CAP_FLY');
  expect(() => build({ capabilities: ['MKNOD'] })).toThrow('the init container lacks it');
  expect(() => build({ binds: ['Data/x:/data'] })).toThrow('bind "Data/x:/data"');
  expect(() => build({ binds: ['other:/data'] })).toThrow('the volume "other" has no folder');
  expect(() => build({ devices: [{ path: '/dev/nowhere' }] })).toThrow('/dev/nowhere does not exist');
});

test('capability names are taken with and without CAP_, and this process can name its own', async () => {
  const own = await availableCapabilities();
  expect(expandCapabilities(['all'], own)).toEqual(own);
  expect(expandCapabilities(['chown', 'CAP_NET_ADMIN'], ['CAP_CHOWN', 'CAP_NET_ADMIN'])).toEqual([
    'CAP_CHOWN',
    'CAP_NET_ADMIN',
  ]);
});

describe('mounts', () => {
  test('binds are recursive and shared unless they say otherwise', () => {
    expect(bindMount('/a:/b').options).toEqual(['rw', 'rbind', 'rshared']);
    expect(bindMount('/a:/b:ro').options).toEqual(['ro', 'rbind']);
    expect(bindMount('/a:/b:ro,bind').options).toEqual(['ro', 'bind']);
    expect(bindMount('/a').destination).toBe('/a');
  });

  test('a read-only root has room in memory for /run and /tmp, unless something else is there', () => {
    const places = (config: ComponentConfig) =>
      mountsOf(config).flatMap(({ destination, type }) =>
        /^.(run|tmp)/.test(destination) ? [`${type} ${destination}`] : [],
      );
    expect(places({})).toEqual(['tmpfs /run', 'tmpfs /tmp']);
    expect(places({ readonly: false })).toEqual([]);
    expect(places({ binds: ['/run:/run'] })).toEqual(['tmpfs /tmp', 'bind /run']);
    expect(places({ binds: ['/run/x:/run/x'] })).toEqual(['tmpfs /run', 'tmpfs /tmp', 'bind /run/x']);
  });

  test('a volume is bound from its folder, and a file of the configuration lies over what is mounted above it', () => {
    const file = { destination: '/data/app.conf', type: 'bind', source: '/f/0', options: ['bind', 'ro'] };
    const mounts = mountsOf({ binds: ['data:/data'] }, new Map([['data', '/v/data']]), [file]);
    expect(mounts.slice(-2).map(({ source }) => source)).toEqual(['/f/0', 'cgroup']);
    expect(mounts.find(({ destination }) => destination === '/data')).toEqual({
      destination: '/data',
      type: 'bind',
      source: '/v/data',
      options: ['rw', 'rbind', 'rprivate'],
    });
  });

  test('a bind of /dev is not covered by the default mounts below it, and parents come first', () => {
    const destinations = mountsOf({ binds: ['/x:/data/deep/er', '/dev:/dev', '/y:/data'] }).map((m) => m.destination);
    expect(destinations.filter((path) => path.startsWith('/dev'))).toEqual(['/dev']);
    expect(destinations.indexOf('/data')).toBeLessThan(destinations.indexOf('/data/deep/er'));
    expect(destinations.indexOf('/sys')).toBeLessThan(destinations.indexOf('/sys/fs/cgroup'));
  });
});

test('devices are found on the host, taken as given, or all allowed', () => {
  const { nodes, rules } = devicesOf(
    [{ path: '/dev/null' }, { path: '/dev/x', type: 'b', major: 8, minor: 1, mode: 'r' }, { path: 'all' }],
    () => ({ type: 'c', major: 1, minor: 3 }),
  );
  expect(nodes.map(({ path, major, minor }) => [path, major, minor])).toEqual([
    ['/dev/null', 1, 3],
    ['/dev/x', 8, 1],
  ]);
  expect(rules).toEqual([
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
    { allow: true, type: 'b', major: 8, minor: 1, access: 'r' },
    { allow: true, type: 'a', access: 'rwm' },
  ]);
});

test('an unlimited resource is written as the number that JavaScript cannot hold', () => {
  expect(rlimit('nofile,100,200')).toEqual({ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 });
  const spec = build({ rlimits: ['core,0,unlimited'] });
  expect(ociJson(spec)).toContain('"hard":18446744073709551615');
  expect(() => rlimit('nofile,many')).toThrow('name,soft,hard');
});

describe('the user of an image', () => {
  let folder: string;
  let layers: string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gantry-user-'));
    layers = ['top', 'bottom'].map((name) => join(folder, name));
    for (const layer of layers) await mkdir(join(layer, 'etc'), { recursive: true });
    await writeFile(join(folder, 'bottom/etc/passwd'), 'root:x:0:0::/:/bin/sh\nweb:x:33:34:::\n');
    await writeFile(join(folder, 'bottom/etc/group'), 'web:x:34:\nmail:x:8:other,web\n');
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('names and numbers, with the groups the image gives it', async () => {
    expect(await resolveUser(undefined, layers)).toEqual({ uid: 0, gid: 0 });
    expect(await resolveUser('web', layers)).toEqual({ uid: 33, gid: 34, additionalGids: [8] });
    expect(await resolveUser('33', layers)).toEqual({ uid: 33, gid: 34, additionalGids: [8] });
    expect(await resolveUser('1000', layers)).toEqual({ uid: 1000, gid: 0 });
    expect(await resolveUser('web:mail', layers)).toEqual({ uid: 33, gid: 8 });
    await expect(resolveUser('nobody', layers)).rejects.toThrow('"nobody"');
  });

  test('a link in the image does not lead to a file of the device', async () => {
    await symlink('/etc/passwd', join(folder, 'top/etc/passwd'));
    await expect(resolveUser('web', layers)).rejects.toThrow('"web"');
  });
});
