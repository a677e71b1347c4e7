import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Arch } from '../../shared/oci/types.ts';
import { cacheDir } from '../cache.ts';
import { ComposeError } from '../errors.ts';

/** The Debian release that device packages come from, whatever the host runs. */
export const debianSuite = 'trixie';
const maxIndexAgeMs = 24 * 3600 * 1000;

/** An apt of our own: its own state, cache, sources and architecture. The host's packages are neither seen nor touched. */
export interface AptRoot {
  /** Runs an apt program; stdout as text. */
  run(program: 'apt-get' | 'apt-cache', args: string[]): Promise<string>;
  /** Base URI of the archive that `filename` (as in a Packages index) is under, by suite. */
  baseUris(): string[];
}

/**
 * Opens (and makes, and refreshes once a day) the private apt root for an architecture, with these areas of the archive
 * (default: `main`). Mirrors and proxies are the
 * host's own, as its apt configuration has them.
 */
export async function openAptRoot(
  arch: Arch,
  options: { refresh?: boolean; areas?: readonly string[] } = {},
): Promise<AptRoot> {
  const areas = (options.areas ?? ['main']).join(' ');
  const dir = cacheDir('apt', areas === 'main' ? arch : `${arch} ${areas}`.replaceAll(' ', '-'));
  const mirrors = await hostMirrors();
  for (const sub of ['etc/preferences.d', 'lists/partial', 'archives/partial']) {
    await mkdir(join(dir, sub), { recursive: true });
  }
  const signedBy = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const sources = [
    `deb [signed-by=${signedBy}] ${mirrors.main} ${debianSuite} ${areas}`,
    `deb [signed-by=${signedBy}] ${mirrors.main} ${debianSuite}-updates ${areas}`,
    `deb [signed-by=${signedBy}] ${mirrors.security} ${debianSuite}-security ${areas}`,
  ].join('\n');
  await writeFile(join(dir, 'sources.list'), `${sources}\n`);
  await writeFile(join(dir, 'status'), '');
  const config = join(dir, 'apt.conf');
  await writeFile(config, aptConfig(dir, arch));

  const run: AptRoot['run'] = async (program, args) => {
    const result = await execa(program, args, { env: { APT_CONFIG: config, LC_ALL: 'C' }, reject: false });
    if (result.exitCode !== 0) {
      throw new ComposeError(`${program} ${args.join(' ')} failed for ${arch}:\n${result.stderr}`);
    }
    return result.stdout;
  };
  const stamp = join(dir, 'updated');
  const age = await stat(stamp).then(
    (s) => Date.now() - s.mtimeMs,
    () => Number.POSITIVE_INFINITY,
  );
  const changed = (await readFile(stamp, 'utf8').catch(() => '')) !== sources;
  if (options.refresh || changed || age > maxIndexAgeMs) {
    await run('apt-get', ['update', '-q', '-o', 'APT::Update::Error-Mode=any']);
    await writeFile(stamp, sources);
  }
  return { run, baseUris: () => [mirrors.main, mirrors.security] };
}

function aptConfig(dir: string, arch: Arch): string {
  return `Dir::State "${dir}";
Dir::State::lists "${dir}/lists";
Dir::State::status "${dir}/status";
Dir::Cache "${dir}";
Dir::Cache::archives "${dir}/archives";
Dir::Etc::sourcelist "${dir}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "${dir}/etc/preferences.d";
APT::Architecture "${arch}";
APT::Architectures { "${arch}"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
`;
}

/** The Debian mirrors that the host's apt uses, so that proxies and local mirrors keep working. */
async function hostMirrors(): Promise<{ main: string; security: string }> {
  const format = '$(REPO_URI)|$(RELEASE)';
  const result = await execa('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    reject: false,
    env: { LC_ALL: 'C' },
  });
  if (result.failed && result.exitCode === undefined) {
    throw new ComposeError('apt-get is missing: recipes of Debian packages need apt (packages apt, dpkg, xz-utils)');
  }
  const rows = result.stdout.split('\n').map((line) => line.split('|'));
  const isDebian = ([uri]: string[]) => uri !== undefined && /\/debian(-security)?\/?$/.test(uri);
  const debian = rows.filter(isDebian);
  const main = debian.find(([uri, release]) => !release?.includes('security') && !uri?.includes('security'))?.[0];
  const security = debian.find(([, release]) => release?.includes('security'))?.[0];
  const chosen = process.env.GANTRY_DEBIAN_MIRROR ?? main;
  if (chosen === undefined) {
    throw new ComposeError(
      "this machine's apt has no Debian archive to take device packages from; set GANTRY_DEBIAN_MIRROR to a mirror's URI",
    );
  }
  const strip = (uri: string) => uri.replace(/\/$/, '');
  return { main: strip(chosen), security: strip(security ?? chosen.replace(/\/debian\/?$/, '/debian-security')) };
}
