import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkoutRoot } from '../../../scripts/checkout.ts';
import type { ImageInfo } from '../../shared/device-paths.ts';
import type { Arch } from '../../shared/oci/types.ts';
import { ComposeError } from '../errors.ts';
import { directory, type Entry, file } from '../oci/entry.ts';

const scripts = () => join(checkoutRoot(), 'init-container/boot/host');

/** What lies beside the root image in /opt/gantry: for the machine's own mount namespace. */
const outside = ['run', 'setup', 'space', 'start', 'stop', 'uninstall'];
/** What lies in the root image, in /usr/lib/gantry: for the one that the service makes. */
const inside = ['supervise', 'hold', 'end'];

/** `uname -m` of the machines that run an architecture's programs. */
const machines: Record<Arch, string> = { amd64: 'x86_64', arm64: 'aarch64' };

/** The files of /opt/gantry but for the root image. Throws when the base has no busybox that stands alone. */
export async function outsideEntries(root: Map<string, Entry>, info: ImageInfo): Promise<Entry[]> {
  const busybox = root.get('usr/bin/busybox')?.content;
  if (busybox === undefined) {
    throw new ComposeError('the base has no /usr/bin/busybox: name a base in init whose recipe has busybox: true');
  }
  const entries = outside.map(async (name) => file(name, await script(name), 0o755));
  return [
    file('busybox', busybox, 0o755),
    file('gantry.service', await script('gantry.service')),
    file('image.json', `${JSON.stringify(info)}\n`),
    ...(await Promise.all(entries)),
  ];
}

/** Additions to the root image: scripts, the place of the machine's root, and the definition's own files. */
export async function insideEntries(definitionFiles: Entry[]): Promise<Entry[]> {
  const entries = inside.map(async (name) => file(`usr/lib/gantry/${name}`, await script(name), 0o755));
  const files = definitionFiles.map((entry) => ({ ...entry, path: `gantry/files/${entry.path}` }));
  return [directory('host'), directory('gantry'), directory('gantry/files'), ...files, ...(await Promise.all(entries))];
}

/** All that decides what the package does, apart from the images. */
export async function scriptTexts(): Promise<string[]> {
  return Promise.all([...outside, ...inside, 'gantry.service', 'install'].map(script));
}

/** The script that the package begins with; the archive of this digest begins on the line after it. */
export async function installScript(info: ImageInfo, fileName: string, sha256: string): Promise<string> {
  const text = await script('install');
  const values: Record<string, string> = {
    NAME: plain(info.name),
    ARCH: info.arch,
    FILE: plain(fileName),
    MACHINES: machines[info.arch],
    SHA256: sha256,
    LINES: String(text.split('\n').length),
  };
  return text.replace(/@([A-Z0-9]+)@/g, (_all, key: string) => values[key] ?? '');
}

/** A name that a shell takes as it is. */
const plain = (name: string) => name.replace(/[^\w.-]/g, '-');

function script(name: string): Promise<string> {
  return readFile(join(scripts(), name), 'utf8');
}
