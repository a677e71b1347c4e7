// Installs Debian packages that a command needs, or says which ones a person has to install.
import { existsSync, readdirSync } from 'node:fs';
import { timed } from './progress.mjs';
import { howToInstall, isInstalled, missing, packagesFor } from './requirements.mjs';
import { run } from './run.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * @param {import('./requirements.mjs').Requirement[]} needed
 * @returns {Promise<void>}
 */
export async function ensureSystemPackages(needed) {
  const absent = missing(needed);
  if (absent.length === 0) return;
  const packages = packagesFor(absent);
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  console.error('Missing on this system:');
  for (const { program, package: name, for: purpose } of absent)
    console.error(`  ${program}  (${purpose}; Debian: ${name})`);
  const how = howToInstall({ apt: isInstalled('apt-get'), root: process.getuid?.() === 0, sudo: isInstalled('sudo') });
  if (how === 'by-hand') {
    const hint = isInstalled('apt-get')
      ? `Neither root nor sudo is at hand. As root, type:\n  ${install.join(' ')}`
      : `There is no apt here to install them with. Install what brings these programs; Debian's packages are:\n  ${packages.join(' ')}`;
    throw new SetupError(hint);
  }
  const prefix = how === 'sudo' ? ['sudo'] : [];
  console.error(`Installing: ${[...prefix, ...install].join(' ')}`);
  if (how === 'sudo') await askPassword(install);
  await withServicesOff(prefix, packages, () => installPackages(prefix, install));
  const still = missing(absent);
  if (still.length > 0) {
    const names = still.map(({ program, package: name }) => `${program} (of ${name})`).join(', ');
    throw new SetupError(`Installed, yet not to be found: ${names}. Does this distribution put them elsewhere?`);
  }
}

/** @param {string[]} prefix @param {string[]} install */
async function installPackages(prefix, install) {
  const what = `Installing ${install.slice(install.indexOf('--no-install-recommends') + 1).join(', ')}`;
  if (!listsPresent()) await update(prefix);
  try {
    await timed(what, () => apt(prefix, install.slice(1)));
  } catch {
    // Lists that are out of date name files that the archive no longer has.
    await update(prefix);
    try {
      await timed(what, () => apt(prefix, install.slice(1)));
    } catch (error) {
      throw new SetupError(
        `${/** @type {Error} */ (error).message}\nThe packages could not be installed. Once mended, try again.`,
      );
    }
  }
}

/** Services that come with a package and that nobody asked for: tests start such a server by themselves, on loopback. */
const services = new Map([['openssh-server', ['ssh.service', 'ssh.socket']]]);

/**
 * Under systemd a package's service starts as soon as it is installed. Masked meanwhile and disabled afterwards, it does
 * not, now or at the next boot.
 * @param {string[]} prefix
 * @param {string[]} packages
 * @param {() => Promise<void>} step
 */
async function withServicesOff(prefix, packages, step) {
  const units = packages.flatMap((name) => services.get(name) ?? []);
  if (units.length === 0 || !existsSync('/run/systemd/system')) return step();
  /** @param {string} verb */
  const systemctl = (verb) => {
    const [program = 'systemctl', ...args] = [...prefix, 'systemctl', verb, ...units];
    return run(program, args);
  };
  await systemctl('mask');
  try {
    await step();
  } finally {
    await systemctl('unmask');
  }
  await systemctl('disable');
}

/** sudo asks on the terminal, before anything else is printed; without one it must not need to. @param {string[]} install */
async function askPassword(install) {
  const terminal = process.stdin.isTTY;
  try {
    await run('sudo', terminal ? ['-v'] : ['-n', '-v'], { stdin: terminal ? 'inherit' : 'ignore' });
  } catch {
    throw new SetupError(`sudo did not let us. As root, type:\n  ${install.join(' ')}`);
  }
}

/** @param {string[]} prefix */
function update(prefix) {
  return timed('Reading the lists of packages', () => apt(prefix, ['update', '-q'])).catch((error) => {
    throw new SetupError(`${error.message}\nIs the network there, and are the sources of apt right?`);
  });
}

/** @param {string[]} prefix @param {string[]} args */
function apt(prefix, args) {
  const [program = 'env', ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
  return run(program, rest);
}

/** A fresh container image has none. */
function listsPresent() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
  } catch {
    return false;
  }
}
