import { ComposeError } from '../errors.ts';
import { nodeAt, parseDeviceTree, printDeviceTree, textOf } from './device-tree.ts';
import type { FatFile } from './fat32.ts';

/** Of Debian's package, see images/raspi-firmware. */
const firmwareFolder = 'usr/lib/raspi-firmware';

/** The Raspberry Pi 3's, then the 4's. */
const firmwareFiles = ['bootcode.bin', 'start.elf', 'fixup.dat', 'start4.elf', 'fixup4.dat'];

/** What the firmware reads first. Source: Raspberry Pi documentation, "config.txt". */
const configTxt = `# Written by gantry build. The firmware reads this at power-on.
# The kernel is an arm64 one; its device trees have Linux's own names.
arm_64bit=1
upstream_kernel=1
kernel=kernel
initramfs initrd.img followkernel
# A steady clock for the serial line on GPIO 14 and 15, and what the boot loader says there too.
enable_uart=1
uart_2ndstage=1
gpu_mem=16
disable_splash=1
`;

export interface PiBootOptions {
  kernel: Buffer;
  initrd: Buffer;
  cmdline: string;
  /** Files of the kernel’s device trees, by name. */
  deviceTrees: ReadonlyMap<string, Buffer>;
  /** A file of the firmware’s component image, by path; throws when there is none. */
  firmware: (path: string) => Buffer;
}

/** Everything on the boot partition of a Raspberry Pi’s card. */
export function raspberryPiFiles({ kernel, initrd, cmdline, deviceTrees, firmware }: PiBootOptions): FatFile[] {
  return [
    { path: 'config.txt', content: Buffer.from(configTxt) },
    { path: 'cmdline.txt', content: Buffer.from(`${cmdline}\n`) },
    { path: 'kernel', content: kernel },
    { path: 'initrd.img', content: initrd },
    ...[...deviceTrees].map(([name, content]) => ({ path: name, content })),
    ...firmwareFiles.map((name) => ({ path: name, content: firmware(`${firmwareFolder}/${name}`) })),
    { path: 'LICENCE.firmware', content: firmware('usr/share/doc/raspi-firmware/copyright') },
  ];
}

/**
 * A Raspberry Pi’s device tree with its full UART (PL011) at the pins of the serial line, where Linux’s own has the small one,
 * and Bluetooth at the full one. The small one has 8 bytes of buffer and takes its clock from the graphics processor.
 * As the firmware’s overlay `disable-bt` does it, which needs other device trees.
 */
export function withSerialOnFullUart(blob: Buffer): Buffer {
  const tree = parseDeviceTree(blob);
  const labels = nodeAt(tree, '/__symbols__');
  const node = (label: string) => nodeAt(tree, textOf(labels, label));
  const full = node('uart0');
  const pins = node('uart0_gpio14').properties.get('phandle');
  if (pins === undefined) throw new ComposeError('the device tree’s node uart0_gpio14 has no phandle');
  full.children = full.children.filter(({ name }) => name !== 'bluetooth');
  labels.properties.delete('bt');
  full.properties.delete('uart-has-rtscts');
  full.properties.set('pinctrl-0', pins);
  node('uart1').properties.set('status', Buffer.from('disabled\0'));
  nodeAt(tree, '/chosen').properties.set('stdout-path', Buffer.from('serial0:115200n8\0'));
  return printDeviceTree(tree);
}
