import { type Instance, render } from 'ink';
import type { ReactElement } from 'react';
import { releaseKeyboard, setCooked } from './keyboard.ts';
import { enterScreen, leaveScreen, resetModes } from './modes.ts';
import { StderrHold } from './stderr-hold.ts';

/** Frames a second at most; keys are drawn at once, the log brings fewer by itself. */
const maxFps = 30;

/** Puts the UI on the terminal and takes it off again; in between, someone else may have the terminal. */
export class TerminalScreen {
  private readonly element: ReactElement;
  private readonly onCrash: (error: unknown) => void;
  private readonly stderr = new StderrHold();
  private instance: Instance | undefined;

  /** `onCrash` hears of an error thrown while drawing; the screen has been taken off then. */
  constructor(element: ReactElement, onCrash: (error: unknown) => void) {
    this.element = element;
    this.onCrash = onCrash;
  }

  show(): void {
    if (this.instance) return;
    this.stderr.hold();
    process.stdout.write(enterScreen);
    // Without `interactive`, a `CI` in the environment would keep Ink from drawing anything.
    const options = { interactive: true, exitOnCtrlC: false, patchConsole: false, incrementalRendering: true, maxFps };
    const instance = render(this.element, options);
    this.instance = instance;
    instance.waitUntilExit().catch((error: unknown) => {
      this.restore();
      this.onCrash(error);
    });
  }

  /**
   * Takes the UI off and lets go of the keyboard, without losing a key that is typed meanwhile. The keyboard stays raw:
   * for a moment of line editing, a ctrl-c typed for a shell that is about to open would end us instead.
   */
  async hide(): Promise<void> {
    const { instance } = this;
    if (!instance) return;
    this.restore();
    await instance.waitUntilExit().catch(() => undefined);
    process.stdin.setRawMode(true);
    await releaseKeyboard();
  }

  /** Gives the terminal back as it was found, synchronously; harmless when that has been done. For exit paths. */
  restore(): void {
    const { instance } = this;
    if (!instance) return;
    this.instance = undefined;
    instance.unmount();
    process.stdout.write(leaveScreen);
    this.stderr.release();
  }

  /** As `restore`, also when another program had the terminal. */
  restoreAfterAnyone(): void {
    if (this.instance) this.restore();
    else process.stdout.write(resetModes);
    setCooked();
  }
}
