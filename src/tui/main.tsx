import type { Device } from '../device/device.ts';
import { App } from './app.tsx';
import { guardExits } from './terminal/exit-guard.ts';

export interface TuiOptions {
  /**
   * Called once when the UI ends, whichever way: `q`, ctrl-c, a signal, an error. The terminal is as it was before. Not
   * waited for when something calls `process.exit`.
   */
  onExit?: () => void | Promise<void>;
}

/**
 * The terminal UI on `device`, until the person leaves it. Rejects with the error when drawing fails, and at once when
 * there is no terminal. On a signal the process ends with 128 + its number. The device stays open: it is the caller's.
 */
export async function runTui(device: Device, options: TuiOptions = {}): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new Error(
      'The terminal UI needs a terminal. In scripts use the commands instead, such as `gantry ps --json`.',
    );
  }
  const color = (process.env.NO_COLOR ?? '') === '';
  const app = new App(device, color);
  let exited = false;
  const onExit = async () => {
    if (exited) return;
    exited = true;
    await options.onExit?.();
  };
  const guard = guardExits(() => app.restoreTerminal(), onExit);
  try {
    await app.run();
  } finally {
    guard.remove();
    await onExit();
  }
}
