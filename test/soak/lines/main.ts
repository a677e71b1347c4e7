import { composeForBoard, type Say } from '../../e2e/support/compose.ts';
import { boot } from '../../e2e/support/machine.ts';
import { connectLine, panic, showTasks, storm } from './storm.ts';

const boards = [
  { board: 'virt', arch: 'arm64', survivesPanic: true },
  { board: 'pc', arch: 'amd64', survivesPanic: true },
  // QEMU's machine is reset after a panic, and its kernel then hangs before its first line; a reboot in order works.
  { board: 'raspi3b', arch: 'arm64', survivesPanic: false },
] as const;
const linesOfAStorm = 1000;

/**
 * `npm run soak -- lines`: on each board the kernel prints (storms of lines, all tasks, a panic) while calls run over the
 * serial line. Every call completes or, at the panic, fails; every line is shown. False when something was otherwise.
 */
export async function linesSoak(say: Say): Promise<boolean> {
  let well = true;
  for (const { board, arch, survivesPanic } of boards) {
    const image = await composeForBoard(board, say);
    const machine = await boot(arch, 'serial', { name: `soak-lines-${board}`, image });
    try {
      await machine.untilHealthy(240);
      const line = await connectLine(machine.emulator.instance.name);
      try {
        const result = await storm(line, linesOfAStorm);
        const missing = [...result.missingOnLine, ...result.missingInLog];
        say(
          `${board}: ${result.calls} calls beside ${2 * linesOfAStorm} kernel lines, the slowest ${Math.round(result.slowestMs)} ms`,
        );
        if (missing.length > 0) throw new Error(`${missing.length} lines are missing, such as "${missing[0]}"`);
        await showTasks(line);
        await panic(line, survivesPanic);
        say(`${board}: ${survivesPanic ? 'back after a panic' : 'its panic was shown'}`);
      } finally {
        await line.close();
      }
    } catch (error) {
      well = false;
      say(`WRONG on ${board}: ${(error as Error).message}\n${machine.console().slice(-2000)}`);
    } finally {
      await machine.stop();
    }
  }
  return well;
}
