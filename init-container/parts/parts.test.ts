import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ComponentKind, ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { digestOf, hexOf } from '../../src/shared/oci/digest.ts';
import type { StoredImage } from '../store/types.ts';
import { BasePart } from './base-part.ts';
import { imagesOfParts } from './image-folders.ts';
import { InitPart } from './init-part.ts';
import { KernelPart } from './kernel-part.ts';
import { Slots } from './slots.ts';
import type { PartChange } from './types.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-parts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function spec(ref: string, kind: ComponentKind): ComponentSpec {
  return { kind, image: { ref, digest: digestOf(ref) }, order: 0, config: {} };
}
const factory: Revision = {
  schema: 1,
  components: { init: spec('init:1', 'init'), base: spec('base:1', 'base'), kernel: spec('kernel:1', 'kernel') },
};
const change = (kind: 'init' | 'base' | 'kernel', from: string, to: string): PartChange => ({
  name: kind,
  old: spec(from, kind),
  new: spec(to, kind),
});
const hex = (ref: string) => hexOf(digestOf(ref));
/** Every image is one layer, the folder of its digest. */
const images = {
  get: async (digest: `sha256:${string}`): Promise<StoredImage> => ({
    digest,
    manifest: { schemaVersion: 2, config: { mediaType: '', digest, size: 0 }, layers: [] },
    config: {
      architecture: 'amd64',
      os: 'linux',
      config: { Entrypoint: ['/usr/bin/node', "it's"] },
      rootfs: { type: 'layers', diff_ids: [] },
    },
    layers: [join(folder, 'layers', hexOf(digest))],
    sizeBytes: 0,
  }),
};
const works = async () => undefined;
const signal = AbortSignal.timeout(10_000);

describe('the init container', () => {
  const part = (running: string | undefined) =>
    new InitPart({ images, factory, imageId: 'i', running, works, data: folder });
  const state = (name: string) => readFileSync(join(folder, 'init/i', name), 'utf8').trim();
  const names = () => readdirSync(join(folder, 'init/i')).sort();

  it('goes on trial, is kept, and what was before is what it goes back to without a trial', async () => {
    const swap = change('init', 'init:1', 'init:2');
    expect(await part('factory').apply(swap, 'new')).toBe('restart-init');
    expect(state('trial')).toBe(hex('init:2'));
    expect(readFileSync(join(folder, 'init/i/images', hex('init:2'), 'start'), 'utf8')).toContain(`'it'\\''s'`);
    const next = part(hex('init:2'));
    await next.verify(swap, 'new', signal);
    await next.confirm(swap);
    await next.confirm(swap);
    expect([state('current'), state('previous')]).toEqual([hex('init:2'), 'factory']);
    expect(names()).toEqual(['current', 'images', 'previous']);
    expect(await next.apply(swap, 'old')).toBe('restart-init');
    expect([state('current'), state('previous')]).toEqual(['factory', hex('init:2')]);
    expect(await part('factory').apply(swap, 'old')).toBe('live');
  });

  it('of which a power cut left half a folder, or the disk a damaged one, gets a whole one', async () => {
    const swap = change('init', 'init:1', 'init:2');
    const own = join(folder, 'init/i/images', hex('init:2'));
    await part('factory').apply(swap, 'new');
    const start = readFileSync(join(own, 'start'), 'utf8');
    rmSync(join(own, 'start'));
    await part('factory').apply(swap, 'new');
    expect(readFileSync(join(own, 'start'), 'utf8')).toBe(start);
    writeFileSync(join(own, 'lower'), '/elsewhere');
    await part('factory').apply(swap, 'new');
    expect(readFileSync(join(own, 'lower'), 'utf8')).toContain(hex('init:2'));
    expect(readdirSync(join(folder, 'init/i/images'))).toEqual([hex('init:2')]);
  });

  it('that the launcher has given up is reported in its words, and nothing is left to do', async () => {
    const swap = change('init', 'init:1', 'init:2');
    await part('factory').apply(swap, 'new');
    rmSync(join(folder, 'init/i/trial'));
    writeFileSync(join(folder, 'init/i/failed'), `${hex('init:2')}\nit ended with code 3\n`);
    await expect(part('factory').verify(swap, 'new', signal)).rejects.toThrow('it ended with code 3');
    expect(await part('factory').apply(swap, 'old')).toBe('live');
  });

  it('on trial that is taken back is forgotten, and the one before starts', async () => {
    const swap = change('init', 'init:1', 'init:2');
    await part('factory').apply(swap, 'new');
    expect(await part(hex('init:2')).apply(swap, 'old')).toBe('restart-init');
    expect(names()).toEqual(['images']);
  });

  it('that the launcher left is told in its words, and given up', async () => {
    const wanted = spec('init:3', 'init');
    expect(await part('factory').whyOther(spec('init:1', 'init'))).toBeUndefined();
    expect(await part(undefined).whyOther(wanted)).toBeUndefined();
    expect(await part('factory').whyOther(wanted)).toMatch(/started another/);
    mkdirSync(join(folder, 'init/i/images', hex('init:3')), { recursive: true });
    mkdirSync(join(folder, 'init/i/images', hex('init:2')), { recursive: true });
    for (const [name, text] of [
      ['lost', `${hex('init:3')}\nit is not whole\n`],
      ['current', hex('init:3')],
      ['previous', hex('init:2')],
    ] as const)
      writeFileSync(join(folder, 'init/i', name), text);
    expect(await part(hex('init:2')).whyOther(wanted)).toBe('it is not whole');
    expect(await imagesOfParts(folder)).toEqual([digestOf('init:2'), digestOf('init:3')].sort());
    await part(hex('init:2')).keepRunning();
    expect([state('current'), state('previous'), ...names()]).toEqual([
      hex('init:2'),
      'factory',
      'current',
      'images',
      'previous',
    ]);
    expect(readdirSync(join(folder, 'init/i/images'))).toEqual([hex('init:2')]);
  });

  it('of nobody’s launcher cannot be swapped', () => {
    expect(part(undefined).canSwap(change('init', 'init:1', 'init:2'))).toMatch(/launcher/);
  });
});

describe('the base', () => {
  let failing: string | undefined;
  let ran: string[];
  let mounted: string[];
  const part = () => {
    ran = [];
    const run = async (argv: string[]) => {
      ran.push(argv.slice(-1)[0] ?? '');
      return failing !== undefined && argv.includes(failing)
        ? { code: 1, stderr: 'it does not run\n' }
        : { code: 0, stderr: '' };
    };
    const mounts = async () => mounted.map((place) => `1 1 0:1 / ${place} ro - overlay gantry-base ro\n`).join('');
    return new BasePart({ images, factory, imageId: 'i', run, mounts, paths: { data: folder, run: folder } });
  };
  beforeEach(() => {
    failing = undefined;
    mounted = ['/', join(folder, 'base/factory')];
    mkdirSync(join(folder, 'layers', hex('base:2'), 'usr'), { recursive: true });
  });

  it('takes effect at once, and at each boot once it is kept', async () => {
    const swap = change('base', 'base:1', 'base:2');
    const base = part();
    expect(await base.apply(swap, 'new')).toBe('live');
    expect(existsSync(join(folder, 'base/i/current'))).toBe(false);
    await base.verify(swap, 'new');
    await base.confirm(swap);
    expect(readFileSync(join(folder, 'base/i/current'), 'utf8').trim()).toBe(hex('base:2'));
    expect(readFileSync(join(folder, 'base/i/images', hex('base:2'), 'lower'), 'utf8')).toBe(
      join(folder, 'layers', hex('base:2'), 'usr'),
    );
    await base.apply(swap, 'old');
    expect(ran).toContain('factory');
    expect(readdirSync(join(folder, 'base/i/images'))).toEqual([]);
  });

  it('whose tools do not run is at fault itself', async () => {
    const swap = change('base', 'base:1', 'base:2');
    failing = hex('base:2');
    const base = part();
    await base.apply(swap, 'new');
    await expect(base.verify(swap, 'new')).rejects.toThrow('base:2 does not work: it does not run');
    failing = 'true';
    await base.apply(swap, 'old');
    await expect(base.verify(swap, 'old')).rejects.toThrow('busybox of base:1 does not run');
  });

  it('that could not be laid over /usr at a boot is told, and given up', async () => {
    const base = part();
    const [old, wanted] = [spec('base:1', 'base'), spec('base:2', 'base')];
    expect([await base.whyOther(old), await base.whyOther(wanted)]).toEqual([undefined, expect.stringMatching(/laid/)]);
    mkdirSync(join(folder, 'base'), { recursive: true });
    writeFileSync(join(folder, 'base/failed'), `${hex('base:2')}\nsh says: no\n`);
    expect(await base.whyOther(wanted)).toBe('sh says: no');
    await base.keepRunning();
    expect(readFileSync(join(folder, 'base/i/current'), 'utf8')).toBe('factory\n');
    mounted.push('/usr', join(folder, 'base', hex('base:2')), join(folder, 'base', hex('base:2'), 'lib/modules'));
    expect(await base.whyOther(wanted)).toBeUndefined();
    expect(await base.whyOther(old)).toBeDefined();
  });

  it('without /usr is none', async () => {
    await expect(part().apply(change('base', 'base:1', 'base:3'), 'new')).rejects.toThrow('has no /usr');
  });
});

describe('the kernel', () => {
  const part = (cmdline: string) => {
    const slots = new Slots(cmdline, folder);
    const root = join(folder, 'root');
    return {
      slots,
      kernel: new KernelPart({ images, factory, slots, unable: undefined, bootModules: ['disk'], root, works }),
    };
  };
  const fromDisk = 'gantry.image=1111';
  const swap = change('kernel', 'kernel:1', 'kernel:2');

  beforeEach(() => {
    const layer = join(folder, 'layers', hex('kernel:2'));
    const modules = join(folder, 'tree/lib/modules/6.99');
    for (const dir of [layer, modules, join(folder, 'root/usr/bin'), join(folder, 'root/usr/lib/gantry')])
      mkdirSync(dir, { recursive: true });
    writeFileSync(join(folder, 'root/usr/bin/busybox'), 'busybox');
    writeFileSync(join(folder, 'root/usr/lib/gantry/initramfs'), 'script');
    writeFileSync(join(modules, 'modules.dep'), 'kernel/disk.ko: kernel/bus.ko\nkernel/bus.ko:\nkernel/other.ko:\n');
    for (const name of ['disk', 'bus', 'other']) {
      mkdirSync(join(modules, 'kernel'), { recursive: true });
      writeFileSync(join(modules, 'kernel', `${name}.ko`), name);
    }
    execFileSync('tar', ['-C', join(folder, 'tree'), '-cf', join(layer, 'kernel.tar'), 'lib']);
    writeFileSync(join(layer, 'kernel'), 'a kernel');
  });

  it('is written with its modules and an initramfs of its own, tried, and kept when it runs', async () => {
    const { slots, kernel } = part(fromDisk);
    expect(await kernel.apply(swap, 'new')).toBe('reboot');
    expect(await slots.onTrial()).toBe('a');
    const slot = slots.folder('a');
    expect(readFileSync(join(slot, 'modules/6.99/kernel/other.ko'), 'utf8')).toBe('other');
    const listed = execFileSync('cpio', ['-t', '--quiet'], {
      input: gunzipSync(readFileSync(join(slot, 'initrd.img'))),
    });
    expect(
      listed
        .toString()
        .split('\n')
        .filter((line) => /init|busybox|ko$/.test(line)),
    ).toEqual(['bin/busybox', 'init', 'modules/00-bus.ko', 'modules/01-disk.ko']);
    execFileSync('sha256sum', ['--check', '--quiet', 'sums'], { cwd: slot });
    const next = part(readFileSync(join(slot, 'cmdline'), 'utf8'));
    await next.kernel.verify(swap, 'new', signal);
    await next.kernel.confirm(swap);
    expect(await next.slots.current()).toBe('a');
    // And back: found healthy before, so without a trial.
    expect(await next.kernel.apply(swap, 'old')).toBe('reboot');
    expect([await next.slots.current(), await next.slots.onTrial()]).toEqual(['factory', undefined]);
  });

  it('of whose slot only a part is left is written again', async () => {
    const { slots, kernel } = part(fromDisk);
    await kernel.apply(swap, 'new');
    await slots.forgetTrial();
    rmSync(join(slots.folder('a'), 'initrd.img'));
    await kernel.apply(swap, 'new');
    execFileSync('sha256sum', ['--check', '--quiet', 'sums'], { cwd: slots.folder('a') });
  });

  it('that did not come up is reported in the words of what started the old one', async () => {
    const { slots, kernel } = part(fromDisk);
    await kernel.apply(swap, 'new');
    await slots.giveUp('a', 'it was started, and not found healthy');
    await expect(kernel.verify(swap, 'new', signal)).rejects.toThrow('it was started, and not found healthy');
    await expect(kernel.confirm(swap)).rejects.toThrow('is not the kernel that runs');
    expect(await kernel.apply(swap, 'old')).toBe('live');
  });

  it('that was left at a boot is told in the words of what started the one before', async () => {
    const { slots, kernel } = part(fromDisk);
    await kernel.apply(swap, 'new');
    const inSlot = part(readFileSync(join(slots.folder('a'), 'cmdline'), 'utf8'));
    await inSlot.kernel.confirm(swap);
    expect(await inSlot.kernel.whyOther(swap.new)).toBeUndefined();
    // As boot/initramfs does it.
    writeFileSync(join(folder, 'boot/lost'), 'a\nit was started 3 times, and not found healthy\n');
    writeFileSync(join(folder, 'boot/current'), 'factory\n');
    expect(await kernel.whyOther(swap.new)).toBe('it was started 3 times, and not found healthy');
    expect(await kernel.whyOther(swap.old)).toBeUndefined();
    await kernel.keepRunning();
    expect([await slots.lost(), await slots.current()]).toEqual([undefined, 'factory']);
  });

  it('must be one', async () => {
    await expect(part(fromDisk).kernel.apply(change('kernel', 'kernel:1', 'web:1'), 'new')).rejects.toThrow(
      'web:1 is no kernel image',
    );
  });
});
