import { PassThrough } from 'node:stream';
import { execa } from 'execa';
import { ComposeError } from '../errors.ts';
import type { Entry } from '../oci/entry.ts';
import { readTar } from '../oci/tar.ts';

/** What no component needs at run time. Copyright files stay: they are part of the licence terms. */
const dropped = [
  /^usr\/share\/(man|info|locale|lintian|bug|doc-base|bash-completion|zsh|fish|gdb|systemd|initramfs-tools)(\/|$)/,
  /^usr\/share\/doc\/[^/]+\/(?!copyright$)/,
  /^(usr\/)?lib\/systemd(\/|$)/,
  /^usr\/lib\/(tmpfiles|sysusers)\.d(\/|$)/,
  /^etc\/(init\.d|default|logrotate\.d|cron\.[a-z]+|ufw|apparmor\.d|network|systemd|kernel|initramfs-tools|bash_completion\.d)(\/|$)/,
  // kexec is linked against libxenctrl; the rest of Xen's tools come in the same package.
  /^usr\/lib\/xen-[^/]+(\/|$)/,
  /^usr\/lib\/[^/]+\/lib(xenguest|xenlight|xlutil|xenstat|xenvchan)\./,
];

/** The files of a .deb, without documentation. Maintainer scripts are not run: a recipe says what they would have made. */
export async function packageFiles(deb: string): Promise<Entry[]> {
  const child = execa('dpkg-deb', ['--fsys-tarfile', deb], {
    stdout: 'pipe',
    buffer: false,
    encoding: 'buffer',
    reject: false,
  });
  const stream = child.stdout?.pipe(new PassThrough({ highWaterMark: 1 << 20 }));
  if (stream === undefined) throw new ComposeError(`dpkg-deb did not start for ${deb}`);
  const entries: Entry[] = [];
  for await (const entry of readTar(stream)) {
    const path = mergedUsr(entry.path);
    if (path === '' || dropped.some((pattern) => pattern.test(path))) continue;
    entries.push({ ...entry, path, ...(entry.type === 'link' ? { linkname: mergedUsr(entry.linkname ?? '') } : {}) });
  }
  const result = await child;
  if (result.exitCode !== 0) throw new ComposeError(`dpkg-deb --fsys-tarfile ${deb} failed: ${String(result.stderr)}`);
  return withoutEmptyFolders(entries);
}

/** `/bin`, `/sbin` and `/lib*` are links to `/usr/…` in every component, as in Debian 13. */
function mergedUsr(path: string): string {
  return /^(bin|sbin|lib|lib64)$/.test(path) ? '' : path.replace(/^(bin|sbin|lib|lib64)\//, 'usr/$1/');
}

/** Folders that only held dropped files go too; folders the package ships empty on purpose stay (`/var/lib/x`). */
function withoutEmptyFolders(entries: Entry[]): Entry[] {
  const needed = new Set<string>();
  for (const entry of entries) {
    if (entry.type === 'directory' && !/^(var|etc|srv|run)\//.test(entry.path)) continue;
    for (let path = entry.path; path.includes('/'); ) {
      path = path.slice(0, path.lastIndexOf('/'));
      needed.add(path);
    }
    needed.add(entry.path);
  }
  return entries.filter((entry) => needed.has(entry.path));
}
