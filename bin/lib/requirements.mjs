// What each command needs of the system, as data, and which of it is missing.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SetupError } from './setup-error.mjs';

/**
 * @typedef {{ program: string, package: string, for: string }} Requirement `program` may be an absolute path.
 * @typedef {'demo' | 'test' | 'check' | 'bench' | 'soak' | 'docs'} Command
 * @typedef {'amd64' | 'arm64'} Arch
 */

/** @type {Record<Arch, Requirement>} */
const emulators = {
  amd64: { program: 'qemu-system-x86_64', package: 'qemu-system-x86', for: 'emulating amd64 devices' },
  arm64: { program: 'qemu-system-aarch64', package: 'qemu-system-arm', for: 'emulating arm64 devices' },
};

/** @type {Requirement[]} */
const composing = [
  { program: 'apt-get', package: 'apt', for: 'resolving Debian packages' },
  {
    program: '/usr/share/keyrings/debian-archive-keyring.gpg',
    package: 'debian-archive-keyring',
    for: 'checking them',
  },
  { program: 'dpkg-deb', package: 'dpkg', for: 'unpacking them' },
  { program: 'xz', package: 'xz-utils', for: 'unpacking kernel modules' },
  { program: 'sqfstar', package: 'squashfs-tools', for: 'root images' },
];

/** @type {Requirement[]} */
const testing = [
  { program: 'mkfs.ext4', package: 'e2fsprogs', for: 'data disks' },
  { program: 'ssh-keygen', package: 'openssh-client', for: 'tests of SSH' },
  { program: 'sshd', package: 'openssh-server', for: 'tests of SSH; its service is left off' },
  { program: 'cpio', package: 'cpio', for: 'tests of the initramfs' },
  { program: 'python3', package: 'python3-minimal', for: 'tests of file attributes' },
];

/**
 * @param {Command} command
 * @param {Arch} arch of the devices to emulate; tests emulate all
 * @returns {Requirement[]}
 */
export function requirements(command, arch) {
  if (command === 'docs') return [];
  if (command === 'demo') return [emulators[arch], ...composing];
  return [emulators.amd64, emulators.arm64, ...composing, ...testing];
}

/**
 * Why a command cannot be run by this user; undefined when it can.
 * @param {Command} command
 * @param {number | undefined} user
 */
export function whyRoot(command, user) {
  if (command !== 'test' || user === 0) return undefined;
  return [
    "npm test runs devices on this machine's own kernel too, in namespaces with mounts and cgroups, which needs root.",
    'Run it as root: sudo env "PATH=$PATH" npm test',
    'Without root, npm run check runs all that needs none: style, types and unit tests.',
  ].join('\n');
}

/** Debian keeps administrators' programs out of a user's PATH. @param {string} [path] @returns {string} */
export function fullPath(path = process.env.PATH ?? '') {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  const more = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter(
    (folder) => !folders.includes(folder),
  );
  return [...folders, ...more].join(delimiter);
}

/** @param {string} program @param {string} [path] @returns {boolean} */
export function isInstalled(program, path = fullPath()) {
  if (program.startsWith('/')) return canAccess(program, constants.R_OK);
  return path.split(delimiter).some((folder) => canAccess(join(folder, program), constants.X_OK));
}

/** @param {string} path @param {number} mode */
function canAccess(path, mode) {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {Requirement[]} needed
 * @param {(program: string) => boolean} [installed]
 * @returns {Requirement[]}
 */
export function missing(needed, installed = isInstalled) {
  return needed.filter(({ program }) => !installed(program));
}

/**
 * How to install packages: as root, through sudo, or not at all (then a person has to).
 * @param {{ apt: boolean, root: boolean, sudo: boolean }} host
 * @returns {'root' | 'sudo' | 'by-hand'}
 */
export function howToInstall({ apt, root, sudo }) {
  if (!apt) return 'by-hand';
  if (root) return 'root';
  return sudo ? 'sudo' : 'by-hand';
}

/** The packages, each once, in order. @param {Requirement[]} absent @returns {string[]} */
export function packagesFor(absent) {
  return [...new Set(absent.map((requirement) => requirement.package))];
}

/**
 * The architecture that `npm run demo -- --arch X` asks for, else the host's.
 * @param {string[]} args
 * @param {string} [host] process.arch
 * @returns {Arch}
 */
export function askedArch(args, host = process.arch) {
  const index = args.findIndex((arg) => arg === '--arch' || arg.startsWith('--arch='));
  const value = index === -1 ? undefined : (args[index]?.split('=')[1] ?? args[index + 1]);
  if (value === undefined) return host === 'arm64' ? 'arm64' : 'amd64';
  if (value !== 'amd64' && value !== 'arm64') throw new SetupError(`--arch is amd64 or arm64, not "${value}".`);
  return value;
}
