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
  /** CPU under TCG, where the machine does not have one of its own; under KVM it is always the host's. */
  emulatedCpu?: string;
  /** What it always has; anything else QEMU refuses. Memory in MiB. */
  fixed?: { memory: number; cpus: number };
  /** How the image gets in: the root image as a disk; or the disk image, which U-Boot or QEMU (as the firmware would) starts. */
  boots: 'root-image' | 'disk-by-u-boot' | 'card';
  /** Words for the kernel that this machine of QEMU needs, and the board does not. */
  emulatorCmdline?: string;
  /** Words for the kernel that make it faster under TCG, and mean nothing there otherwise. */
  emulatedCpuCmdline?: string;
  /** Whether it has what virtual machines have: PCI with disks, a network card and a watchdog. */
  virtual: boolean;
}

// The architected pointer authentication algorithm costs most of the time of an emulated kernel.
// Linux 6.12 faults in kexec with 52-bit addresses (lpa2), which boards of this size do not have.
const arm64Cpu = 'max,pauth-impdef=on,lpa2=off';
const arm64Program = { arch: 'arm64', program: 'qemu-system-aarch64', debianPackage: 'qemu-system-arm' } as const;

export const boards: readonly Board[] = [
  {
    name: 'pc',
    arch: 'amd64',
    program: 'qemu-system-x86_64',
    debianPackage: 'qemu-system-x86',
    machine: 'q35',
    console: 'ttyS0',
    emulatedCpu: 'max',
    // What is emulated does not speculate; what the kernel does against that costs a sixth of the time until a device is healthy.
    emulatedCpuCmdline: 'mitigations=off',
    boots: 'root-image',
    virtual: true,
  },
  {
    ...arm64Program,
    name: 'virt',
    machine: 'virt',
    console: 'ttyAMA0',
    emulatedCpu: arm64Cpu,
    boots: 'root-image',
    virtual: true,
  },
  {
    ...arm64Program,
    name: 'virt-uboot',
    machine: 'virt',
    console: 'ttyAMA0',
    emulatedCpu: arm64Cpu,
    boots: 'disk-by-u-boot',
    virtual: true,
  },
  {
    ...arm64Program,
    name: 'raspi3b',
    machine: 'raspi3b',
    console: 'ttyAMA0',
    fixed: { memory: 1024, cpus: 4 },
    boots: 'card',
    // QEMU resets this machine at once when its watchdog is started, not when it was not fed.
    emulatorCmdline: 'gantry.watchdog=off',
    virtual: false,
  },
];

/** This host's architecture in Debian's words; throws on one that Gantry does not know. */
export function hostArch(): Arch {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Error(`Gantry runs on amd64 and arm64 hosts, and this one is ${process.arch}.`);
}

/**
 * The board to boot an image on: the one that it was composed for, else the first of its architecture. Asking for one whose
 * boot loader or drivers the image lacks is an error.
 */
export function boardOfImage(image: { arch: Arch; board?: string | undefined }, asked?: string): Board {
  if (
    asked !== undefined &&
    image.board !== undefined &&
    asked !== image.board &&
    boards.some((b) => b.name === asked)
  ) {
    throw new Error(
      `This image was composed for the board ${image.board}. For the other one: gantry build … --board ${asked}`,
    );
  }
  return boardFor(image.arch, asked ?? image.board);
}

/** The board of this name, else the first of the architecture. */
export function boardFor(arch: Arch, name?: string): Board {
  const fitting = boards.filter((board) => board.arch === arch);
  const board = name === undefined ? fitting[0] : fitting.find((candidate) => candidate.name === name);
  if (board !== undefined) return board;
  const choice = fitting.map((candidate) => candidate.name).join(', ');
  throw new Error(`There is no board "${name}" for an ${arch} image. Boards for it: ${choice}.`);
}
