import { seededRandom } from './random.ts';

/** When the kernel prints: milliseconds, ascending, one line each. May go on for ever. */
export type KernelTimes = Iterable<number>;

/** At random moments, so many lines a second on average. */
export function* steadyLines(perSecond: number, seed: number): KernelTimes {
  const random = seededRandom(seed);
  for (let at = 0; ; ) {
    at += (-Math.log(1 - random()) * 1000) / perSecond;
    yield at;
  }
}

/** So many lines at once, again and again. */
export function* storms(lines: number, everyMs: number): KernelTimes {
  for (let at = everyMs; ; at += everyMs) for (let line = 0; line < lines; line += 1) yield at;
}

const messages = [
  'usb 1-1: reset high-speed USB device number 4 using xhci_hcd',
  'audit: type=1400 audit(1732262400.123:84): apparmor="STATUS"',
  'br-lan: port 2(eth1) entered forwarding state',
  'EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode',
  'I/O error, dev sda, sector 0',
];

/** As printk writes it on a console. `number` is in it, so that each line can be told from the others. */
export function kernelLine(atMs: number, number: number): string {
  const stamp = `[${(atMs / 1000).toFixed(6).padStart(12)}]`;
  return `${stamp} #${number} ${messages[number % messages.length]}\r\n`;
}
