import type { ComponentStatus, RevisionList } from '../../src/shared/api/types.ts';
import { until } from '../e2e/support/until.ts';
import { onDevice } from '../support/on-device.ts';
import type { World } from './world.ts';

/** Seconds. Emulated machines are slow, and a container that was killed several times waits before it starts again. */
const convergenceLimit = 150;
const tidyLimit = 30;

const versions: Record<string, string> = { 'web:1': 'version 1', 'web:2': 'version 2' };

/** What must be true after every action. `images`: which the web server may have now. Gives the one it has. */
export async function expectConverged(world: World, images: readonly string[]): Promise<string> {
  const components = await until('every component to be healthy', convergenceLimit, async () => {
    const all = await world.device.components();
    const ill = all.filter((c) => c.state !== 'running' || (c.health !== 'healthy' && c.health !== 'none'));
    if (ill.length > 0)
      throw new Error(ill.map((c) => `${c.name}: ${c.state} ${c.health} ${c.detail ?? ''}`).join('; '));
    return all;
  });
  const web = components.find((component) => component.name === 'web');
  if (web === undefined || !images.includes(web.image)) {
    throw new Error(`web is ${web?.image}, and should be ${images.join(' or ')}`);
  }
  const version = versions[web.image];
  if (version === undefined) throw new Error(`${web.image} has no known page`);
  const page = await until('the page to answer', 30, () => world.machine.page());
  if (!page.includes(version)) throw new Error(`the device says ${web.image}, and its page says: ${page.trim()}`);
  await expectConsistent(world, await world.device.revisions(), components);
  await until('everything that ended to be gone', tidyLimit, () => expectTidy(world));
  world.inForce.add(web.image);
  return web.image;
}

async function expectConsistent(world: World, list: RevisionList, components: ComponentStatus[]): Promise<void> {
  const numbers = list.revisions.map((revision) => revision.number);
  if (new Set(numbers).size !== numbers.length) throw new Error(`revision numbers occur twice: ${numbers.join(' ')}`);
  const current = list.revisions.filter((revision) => revision.state === 'current');
  if (current.length !== 1 || current[0]?.number !== list.current) {
    throw new Error(`revision ${list.current} is in force, and the list says ${JSON.stringify(current)}`);
  }
  if (list.previous !== undefined && !numbers.includes(list.previous)) {
    throw new Error(`the previous revision ${list.previous} is not in the list ${numbers.join(' ')}`);
  }
  const { revision } = await world.device.info();
  if (revision.number !== list.current) throw new Error(`info says revision ${revision.number}, not ${list.current}`);
  const wanted = (await world.device.revision(list.current)).components;
  for (const { name, digest } of components) {
    const due = wanted[name]?.image.digest;
    if (due !== digest) throw new Error(`${name} runs ${digest}, and revision ${list.current} says ${due}`);
  }
}

/** A line each: what runs, what is mounted, which cgroups there are. All that a container needs, once, and nothing else. */
const inventory = `
for stat in /proc/[0-9]*/stat; do
	line=$(cat $stat 2>/dev/null) || continue
	name=\${line#*(}; name=\${name%%)*}; rest=\${line##*) }
	case "$name" in conmon) echo "conmon \${rest%% *}" ;; esac
	[ "\${rest%% *}" != Z ] || echo "zombie $name"
done
while read -r _ _ _ _ point _; do echo "mount $point"; done </proc/1/mountinfo
for folder in /sys/fs/cgroup/gantry/*/*/; do echo "cgroup $folder"; done
for file in /sys/block/loop*/loop/backing_file; do [ ! -e "$file" ] || echo "loop $(cat "$file")"; done
for fd in /proc/$(cat /run/gantry/init.ready)/fd/*; do echo "fd $(readlink $fd)"; done`;

/** Connections of those who ask, and what is being written at that moment. */
const fileSlack = 12;
/** Private memory of the init container may grow to this many times of what it was after the boot. */
const memorySlack = 1.6;

const what = {
  mounts: 'mounts',
  loops: 'loop devices',
  files: `open files of the init container, less ${fileSlack}`,
  memory: `private bytes of the init container, divided by ${memorySlack}`,
};

async function expectTidy(world: World): Promise<true> {
  const lines = (await onDevice(world.device, inventory)).trim().split('\n');
  const of = (kind: string) =>
    lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.slice(kind.length + 1));
  const running = (await world.device.components()).filter((c) => c.kind === 'service').map((c) => c.name);
  const expectEach = (what: string, found: string[], pattern: RegExp) => {
    // After a swap it is the second container of its component that runs: NAME.2.
    const names = found.flatMap((text) => pattern.exec(text)?.[1]?.replace(/\.2$/, '') ?? []).sort();
    const wanted = running.toSorted();
    if (names.join(' ') !== wanted.join(' '))
      throw new Error(`${what}: ${names.join(' ')}, and not ${wanted.join(' ')}`);
  };
  expectEach('mounted roots', of('mount'), /^\/run\/gantry\/containers\/([^/]+)\/rootfs$/);
  expectEach('writable layers', of('mount'), /^\/run\/gantry\/containers\/([^/]+)\/layer$/);
  expectEach('cgroups of containers', of('cgroup'), /\/gantry\/containers\/([^/]+)\/$/);
  expectEach('cgroups of conmon', of('cgroup'), /\/gantry\/conmon\/([^/]+)\/$/);
  const conmons = of('conmon').length;
  if (conmons !== running.length) throw new Error(`${conmons} conmon processes for ${running.length} containers`);
  if (of('zombie').length > 0) throw new Error(`zombies: ${of('zombie').join(' ')}`);
  const { init } = await world.info();
  const now = {
    mounts: of('mount').length,
    loops: of('loop').length,
    files: of('fd').length - fileSlack,
    memory: init.privateBytes / memorySlack,
  };
  world.afterBoot ??= { ...now, files: of('fd').length, memory: init.privateBytes };
  for (const key of ['mounts', 'loops', 'files', 'memory'] as const) {
    const then = world.afterBoot[key];
    if (now[key] > then)
      throw new Error(`${what[key]}: ${now[key]}, and after the boot ${then}; ${of('fd').join(' ')}`);
  }
  world.mostMemory = Math.max(world.mostMemory, init.privateBytes);
  return true;
}
