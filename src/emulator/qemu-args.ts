import { join } from 'node:path';
import type { Board } from './boards.ts';
import { serialDevice } from './qmp.ts';

export interface QemuPlan {
  board: Board;
  name: string;
  imageDir: string;
  /** Kernel command line, complete. */
  cmdline: string;
  /** MiB. */
  memory: number;
  cpus: number;
  acceleration: 'kvm' | 'tcg' | 'tcg-single';
  /** Raw file, attached read-write as the second disk; on a board that boots from a disk image, the whole disk instead of it. */
  dataDisk?: string;
  /** Existing, empty file: what is written to the data disk, and when it was flushed, in dm-log-writes' format. */
  dataWriteLog?: string;
  /** Without a network card when absent. Host ports on 127.0.0.1 to the guest's. */
  forwards?: readonly { host: number; guest: number }[];
  /** Unix sockets that QEMU listens on. */
  serialSocket: string;
  monitorSocket: string;
  consoleLog: string;
}

/** A comma ends a QEMU option's value unless doubled. */
function value(text: string): string {
  return text.replaceAll(',', ',,');
}

/** QEMU's arguments for a plan. Pure: nothing is opened or looked up. */
export function qemuArguments(plan: QemuPlan): string[] {
  const cpu = plan.acceleration === 'kvm' ? 'host' : plan.board.emulatedCpu;
  const { board } = plan;
  const accel = { kvm: 'kvm', tcg: 'tcg,thread=multi', 'tcg-single': 'tcg,thread=single' }[plan.acceleration];
  const file = (name: string) => join(plan.imageDir, name);
  const args = ['-name', `guest=${value(plan.name)}`, '-nodefaults', '-no-user-config', '-display', 'none'];
  args.push('-machine', board.machine, '-accel', accel);
  if (cpu !== undefined) args.push('-cpu', cpu);
  const { cpus, memory } = board.fixed ?? plan;
  args.push('-smp', String(cpus), '-m', `${memory}M`);
  if (board.boots === 'disk-by-u-boot') args.push('-bios', file('u-boot.bin'));
  else args.push('-kernel', file('kernel'), '-initrd', file('initrd.img'), '-append', plan.cmdline);
  if (board.boots === 'card') args.push('-dtb', file('device-tree.dtb'));
  // Resets the machine when the device does not feed it any more.
  if (board.virtual) args.push('-device', 'virtio-rng-pci', '-device', 'i6300esb');
  args.push(...disks(plan));
  if (plan.forwards !== undefined) {
    const rules = plan.forwards.map(({ host, guest }) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`).join('');
    // romfile= : without the network boot ROM, which is a package of its own and slows the start.
    args.push('-netdev', `user,id=net0${rules}`, '-device', 'virtio-net-pci,netdev=net0,romfile=');
  } else {
    args.push('-nic', 'none');
  }
  const serial = `socket,id=${serialDevice},path=${value(plan.serialSocket)},server=on,wait=off`;
  args.push(
    '-chardev',
    `${serial},logfile=${value(plan.consoleLog)},logappend=off`,
    '-serial',
    `chardev:${serialDevice}`,
  );
  args.push('-chardev', `socket,id=monitor0,path=${value(plan.monitorSocket)},server=on,wait=off`);
  args.push('-mon', 'chardev=monitor0,mode=control');
  return args;
}

function disks({ board, imageDir, dataDisk: data, dataWriteLog }: QemuPlan): string[] {
  if (board.boots === 'root-image') {
    const root = disk('root', join(imageDir, 'root.img'), 'readonly=on');
    return data === undefined ? root : [...root, ...dataDisk(data, dataWriteLog)];
  }
  // What the device writes to the image's own disk is forgotten at its end.
  const options = data === undefined ? 'snapshot=on' : 'discard=unmap';
  const path = data ?? join(imageDir, 'disk.img');
  if (board.boots === 'card') return ['-drive', `if=sd,file=${value(path)},format=raw,${options}`];
  return disk('disk', path, options);
}

function disk(id: string, path: string, options: string): string[] {
  return drive(id, `file=${value(path)},format=raw,${options}`);
}

function dataDisk(path: string, writeLog: string | undefined): string[] {
  if (writeLog === undefined) return disk('data', path, 'discard=unmap');
  const files = `file.driver=file,file.filename=${value(path)},log.driver=file,log.filename=${value(writeLog)}`;
  return drive('data', `driver=blklogwrites,${files}`);
}

function drive(id: string, what: string): string[] {
  return ['-drive', `if=none,id=${id},${what}`, '-device', `virtio-blk-pci,drive=${id},serial=gantry-${id}`];
}
