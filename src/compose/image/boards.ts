import type { Arch } from '../../shared/oci/types.ts';
import { nearest } from '../../shared/text/nearest.ts';
import { ComposeError } from '../errors.ts';

/** What differs between machines when an image is composed for them. */
export interface ImageBoard {
  name: string;
  arch: Arch;
  /** One line for a person. */
  what: string;
  /** Serial console for the kernel's command line. */
  console: string;
  /** Modules that find the root image, loaded in the initramfs in this order; those built in are skipped. */
  bootModules: string[];
  /** What starts the kernel from a disk image; without it there is none, and QEMU starts the kernel itself. */
  loader?: 'raspberry-pi' | 'u-boot';
}

const virtioBoot = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'squashfs', 'overlay'];
const virtual = { console: 'ttyAMA0,115200', bootModules: virtioBoot };

/** The first board of an architecture is the one when nobody names any. */
export const imageBoards: readonly ImageBoard[] = [
  { name: 'pc', arch: 'amd64', what: 'QEMU’s PC', console: 'ttyS0,115200', bootModules: virtioBoot },
  { name: 'virt', arch: 'arm64', what: 'QEMU’s arm64 machine', ...virtual },
  { name: 'virt-uboot', arch: 'arm64', what: 'the same, started by U-Boot from a disk', ...virtual, loader: 'u-boot' },
  {
    name: 'raspi3b',
    arch: 'arm64',
    what: 'Raspberry Pi 3 and 4: an SD card',
    console: 'ttyAMA0,115200',
    // gpio-regulator: the supply of a Raspberry Pi 4's card.
    bootModules: ['gpio-regulator', 'sdhci_iproc', 'bcm2835', 'squashfs', 'overlay'],
    loader: 'raspberry-pi',
  },
];

/** The board of this name, else the first of the architecture. Throws when there is none, or it has another one. */
export function imageBoard({ arch, board }: { arch?: Arch | undefined; board?: string | undefined }): ImageBoard {
  const found =
    board === undefined
      ? imageBoards.find((candidate) => candidate.arch === arch)
      : imageBoards.find((candidate) => candidate.name === board);
  if (found === undefined) {
    const names = imageBoards.map(({ name }) => name);
    const hint = nearest(board ?? '', names).join(', ');
    throw new ComposeError(
      `there is no board ${board ?? arch}; boards are ${names.join(', ')}${hint && ` (nearest: ${hint})`}`,
    );
  }
  if (arch !== undefined && found.arch !== arch) {
    throw new ComposeError(`the board ${found.name} is ${found.arch}, and --arch says ${arch}: leave one of them out`);
  }
  return found;
}
