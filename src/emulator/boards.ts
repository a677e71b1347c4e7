export type Arch = 'amd64' | 'arm64';

/** A machine that QEMU can be. Data only: what differs between boards stands here and nowhere else. */
export interface Board {
  name: string;
  arch: Arch;
  /** QEMU's program, and the Debian package that brings it. */
  program: string;
  debianPackage: string;
  machine: string;
  /** Name of the serial line inside the device. */
  console: string;
  /** CPU under TCG; under KVM it is always the host's. */
  emulatedCpu: string;
}

export const boards: readonly Board[] = [
  {
    name: 'pc',
    arch: 'amd64',
    program: 'qemu-system-x86_64',
    debianPackage: 'qemu-system-x86',
    machine: 'q35',
    console: 'ttyS0',
    emulatedCpu: 'max',
  },
  {
    name: 'virt',
    arch: 'arm64',
    program: 'qemu-system-aarch64',
    debianPackage: 'qemu-system-arm',
    machine: 'virt',
    console: 'ttyAMA0',
    // The architected pointer authentication algorithm costs most of the time of an emulated kernel.
    // Linux 6.12 faults in kexec with 52-bit addresses (lpa2), which boards of this size do not have.
    emulatedCpu: 'max,pauth-impdef=on,lpa2=off',
  },
];

/** This host's architecture in Debian's words; throws on one that Gantry does not know. */
export function hostArch(): Arch {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`Gantry runs on amd64 and arm64 hosts, and this one is ${process.arch}.`);
}

/** The board to boot an image on: the one asked for, else the first of the image's architecture. */
export function boardFor(arch: Arch, name?: string): Board {
  const fitting = boards.filter((board) => board.arch === arch);
  const board = name === undefined ? fitting[0] : fitting.find((candidate) => candidate.name === name);
  if (board !== undefined) return board;
  const choice = fitting.map((candidate) => candidate.name).join(', ');
  throw new Error(`There is no board "${name}" for an ${arch} image. Boards for it: ${choice}.`);
}
