// Installs Debian packages that a command needs, or says which ones a person has to install.
import { readdirSync } from 'node:fs';
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
  if (!listsPresent()) await update(prefix);
  try {
    await timed(`Installing ${packages.join(', ')}`, () => apt(prefix, install.slice(1)));
  } catch {
    // Lists that are out of date name files that the archive no longer has.
    await update(prefix);
    try {
      await timed(`Installing ${packages.join(', ')}`, () => apt(prefix, install.slice(1)));
    } catch (error) {
      throw new SetupError(
        `${/** @type {Error} */ (error).message}\nThe packages could not be installed. Once mended, try again.`,
      );
    }
  }
  const still = missing(absent);
  if (still.length > 0) {
    const names = still.map(({ program, package: name }) => `${program} (of ${name})`).join(', ');
    throw new SetupError(`Installed, yet not to be found: ${names}. Does this distribution put them elsewhere?`);
  }
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
