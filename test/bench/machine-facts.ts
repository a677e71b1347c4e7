import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { boardFor } from '../../src/emulator/index.ts';
import { findProgram } from '../../src/emulator/programs.ts';

/** On what the figures were taken: label and value. */
export function machineFacts(): [string, string][] {
  const board = boardFor('amd64');
  const qemu = execFileSync(findProgram(board.program, board.debianPackage), ['--version'], { encoding: 'utf8' });
  const system = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  return [
    ['Date', new Date().toISOString().slice(0, 10)],
    ['Processor', `${cpus().length} × ${cpus()[0]?.model.trim() || process.arch}`],
    ['Memory', `${(totalmem() / 2 ** 30).toFixed(0)} GiB`],
    ['System', `${system}, Linux ${release()}, ${process.arch}`],
    ['QEMU', qemu.split('\n')[0]?.replace('QEMU emulator version ', '') ?? ''],
    ['Node', process.version],
    // Figures taken while others used the processor are worth less; a reader can tell.
    [
      'Load before the start',
      loadavg()
        .map((load) => load.toFixed(1))
        .join(', '),
    ],
  ];
}
