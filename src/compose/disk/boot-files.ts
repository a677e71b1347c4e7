import { ComposeError } from '../errors.ts';
import type { KernelParts } from '../image/contents.ts';
import { applyLayer, layerEntries } from '../image/flatten.ts';
import type { ResolvedImage } from '../image/images.ts';
import type { Entry } from '../oci/entry.ts';
import type { FatFile } from './fat32.ts';
import { raspberryPiFiles, withSerialOnFullUart } from './raspberry-pi.ts';

export interface BootFilesOptions {
  kernel: KernelParts;
  initrd: Buffer;
  cmdline: string;
  /** The component image that brings the loader: Debian's raspi-firmware or U-Boot. */
  loader: ResolvedImage;
}

export interface BootFiles {
  /** For the boot partition of the disk image. */
  partition: FatFile[];
  /** For the image's folder: what QEMU needs to play the board. */
  beside: Map<string, Buffer>;
}

export type LoaderName = keyof typeof loaderImages;

/** Component images that bring what runs before the kernel. */
export const loaderImages = { 'raspberry-pi': 'raspi-firmware:1', 'u-boot': 'u-boot:1' } as const;

/** What a board's loader needs on its boot partition. Throws when the kernel or the loader's image lacks a part of it. */
export async function bootFiles(name: LoaderName, options: BootFilesOptions): Promise<BootFiles> {
  const files = await filesOf(options.loader);
  const loaderFile = (path: string) => {
    const content = files.get(path)?.content;
    if (content === undefined) throw new ComposeError(`${options.loader.ref} has no /${path}`);
    return content;
  };
  const { kernel, initrd, cmdline } = options;
  if (name === 'u-boot') {
    return {
      partition: [
        { path: 'extlinux/extlinux.conf', content: Buffer.from(extlinuxConf(cmdline)) },
        { path: 'kernel', content: kernel.image },
        { path: 'initrd.img', content: initrd },
      ],
      beside: new Map([['u-boot.bin', loaderFile('usr/lib/u-boot/qemu_arm64/u-boot.bin')]]),
    };
  }
  const deviceTrees = new Map([...kernel.deviceTrees].map(([file, blob]) => [file, withSerialOnFullUart(blob)]));
  const emulated = deviceTrees.get('bcm2837-rpi-3-b.dtb');
  if (emulated === undefined) throw new ComposeError('the kernel image has no device tree bcm2837-rpi-3-b.dtb');
  return {
    partition: raspberryPiFiles({ kernel: kernel.image, initrd, cmdline, deviceTrees, firmware: loaderFile }),
    beside: new Map([['device-tree.dtb', emulated]]),
  };
}

/** What U-Boot looks for on every disk. Source: U-Boot documentation, "Standard Boot" and "extlinux". */
function extlinuxConf(cmdline: string): string {
  return `# Written by gantry build. U-Boot finds and starts this.
default gantry
label gantry
	kernel /kernel
	initrd /initrd.img
	append ${cmdline}
`;
}

async function filesOf(image: ResolvedImage): Promise<Map<string, Entry>> {
  const files = new Map<string, Entry>();
  for (const layer of image.manifest.layers) await applyLayer(files, layerEntries(image.layout, layer));
  return files;
}
