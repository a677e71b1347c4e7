import type { Arch } from './boards.ts';

/** The smallest guests that show that a machine really executes instructions: they end QEMU by themselves. */
export interface Payload {
  image: Buffer;
  /** QEMU's arguments to run it, without `-accel` and `-cpu`. */
  args(path: string): string[];
  /** QEMU's exit code when the guest ran. */
  exitCode: number;
}

export function payloadFor(arch: Arch): Payload {
  return arch === 'amd64' ? bootSector() : powerOffKernel();
}

/** A boot sector that writes 0x10 to isa-debug-exit's port. QEMU then exits with 2 · 0x10 + 1. */
function bootSector(): Payload {
  const image = Buffer.alloc(512);
  // mov al, 0x10; out 0xf4, al; hlt; jmp -3
  image.set([0xb0, 0x10, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd]);
  image.set([0x55, 0xaa], 510);
  const debugExit = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'];
  return {
    image,
    args: (path) => ['-machine', 'pc', ...debugExit, '-drive', `if=ide,format=raw,file=${path}`],
    exitCode: 33,
  };
}

/** A kernel for arm64 whose only act is PSCI's SYSTEM_OFF, by hypervisor call as `-M virt` wants it. */
function powerOffKernel(): Payload {
  const image = Buffer.alloc(128);
  image.writeUInt32LE(0x14000010, 0); // b 64: past the header
  image.writeBigUInt64LE(BigInt(image.length), 16); // image_size
  image.writeUInt32LE(0x0000000a, 24); // flags: little endian, 4 KiB pages, anywhere in memory
  image.write('ARM\x64', 56, 'latin1');
  const code = [
    0x52800100, // mov  w0, #0x8
    0x72b08000, // movk w0, #0x8400, lsl #16: SYSTEM_OFF
    0xd4000002, // hvc  #0
    0x14000000, // b .
  ];
  for (const [index, word] of code.entries()) image.writeUInt32LE(word, 64 + 4 * index);
  return { image, args: (path) => ['-machine', 'virt', '-kernel', path], exitCode: 0 };
}
