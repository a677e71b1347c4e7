import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the guest says first. */
export const greeting = 'guest says hello\n';

/**
 * Writes an image of the board `virt` whose kernel is a page of machine code: it says `greeting` on the serial line,
 * echoes every byte it gets, and powers off after a "q". Boots in a fraction of a second, also under emulation.
 */
export function writeEchoImage(dir: string): void {
  const kernel = Buffer.alloc(256);
  kernel.writeUInt32LE(0x14000010, 0); // b 64: past the header
  kernel.writeBigUInt64LE(BigInt(kernel.length), 16);
  kernel.writeUInt32LE(0x0000000a, 24);
  kernel.write('ARM\x64', 56, 'latin1');
  const code = [
    0xd2a12001, //  64: movz x1, #0x900, lsl #16   the PL011's data register
    0x100001c2, //  68: adr  x2, 124               the greeting
    0x38401443, //  72: ldrb w3, [x2], #1
    0x34000063, //  76: cbz  w3, 88
    0xb9000023, //  80: str  w3, [x1]
    0x17fffffd, //  84: b    72
    0xb9401824, //  88: ldr  w4, [x1, #0x18]       its flags
    0x3727ffe4, //  92: tbnz w4, #4, 88            nothing received
    0xb9400023, //  96: ldr  w3, [x1]
    0xb9000023, // 100: str  w3, [x1]
    0x7101c47f, // 104: cmp  w3, #'q'
    0x54ffff61, // 108: b.ne 88
    0x52800100, // 112: mov  w0, #8
    0x72b08000, // 116: movk w0, #0x8400, lsl #16  PSCI SYSTEM_OFF
    0xd4000002, // 120: hvc  #0
  ];
  for (const [index, word] of code.entries()) kernel.writeUInt32LE(word, 64 + 4 * index);
  kernel.write(`${greeting}\0`, 64 + 4 * code.length, 'latin1');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'kernel'), kernel);
  writeFileSync(join(dir, 'initrd.img'), Buffer.alloc(512));
  writeFileSync(join(dir, 'root.img'), Buffer.alloc(2 ** 20));
  const image = { name: 'echo', id: 'sha256:00', arch: 'arm64', cmdline: 'console=ttyAMA0' };
  writeFileSync(join(dir, 'image.json'), JSON.stringify(image));
}
