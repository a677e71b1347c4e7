import type { Arch } from '../../shared/oci/types.ts';

/** What differs between machines when an image is composed for them. */
export interface ImageBoard {
  name: string;
  arch: Arch;
  /** Serial console for the kernel's command line. */
  console: string;
  /** Modules that find the root image, loaded in the initramfs in this order; those built in are skipped. */
  bootModules: string[];
}

const virtioBoot = ['virtio_pci', 'virtio_mmio', 'virtio_blk', 'squashfs', 'overlay'];

export const imageBoards: Record<Arch, ImageBoard> = {
  amd64: { name: 'pc', arch: 'amd64', console: 'ttyS0,115200', bootModules: virtioBoot },
  arm64: { name: 'virt', arch: 'arm64', console: 'ttyAMA0,115200', bootModules: virtioBoot },
};
