import { once } from 'node:events';
import { connect } from 'node:net';
import { type PacedLine, pacedLine } from '../../support/paced-line.ts';
import type { Machine } from './machine.ts';

export interface SlowLine extends Pick<PacedLine, 'line' | 'close'> {
  /** The device at its end, as `-d` takes it. */
  target: string;
}

/** A machine's serial line, which the emulator makes as fast as it can, at the speed of a real one. */
export async function slowLine(machine: Machine, baud: number): Promise<SlowLine> {
  const emulator = connect(machine.emulator.instance.serial?.path ?? '');
  await once(emulator, 'connect');
  const { line, path, close } = await pacedLine(baud);
  emulator.pipe(line.device).pipe(emulator);
  return {
    line,
    target: `serial:${path}?baud=${baud}`,
    close: () => {
      emulator.destroy();
      close();
    },
  };
}
