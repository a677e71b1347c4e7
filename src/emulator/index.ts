export { type Arch, type Board, boardFor, boardOfImage, boards, hostArch } from './boards.ts';
export { dataDiskPath, ensureDataDisk, ensureWholeDisk, wholeDiskPath } from './data-disk.ts';
export { type DemoKey, ensureDemoKey } from './demo-key.ts';
export { type BootImage, loadImage } from './image.ts';
export { type Instance, instanceSchema, isRunning, listInstances, loadInstance, readInstance } from './instance.ts';
export { parseSize } from './size.ts';
export { type Emulator, type EmulatorOptions, startEmulator } from './start.ts';
export { stopEmulator, untilEnded } from './stop.ts';
