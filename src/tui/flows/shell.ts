import type { ExecOptions, Session } from '../../device/device.ts';
import { terminalSize } from '../../shared/text/terminal-size.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { selectedComponent } from '../store/state.ts';
import { passThrough } from '../terminal/passthrough.ts';

/** The best shell that the image has. */
const containerShell = ['/bin/sh', '-c', 'if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi'];

/** A shell in the selected container, on the person's own terminal. */
export async function containerSession(context: Context): Promise<void> {
  const row = selectedComponent(context.store.get());
  if (!row) return;
  const { name } = row;
  await session(context, `a shell in ${name}`, (options) =>
    context.device.exec(name, { ...options, command: containerShell }),
  );
}

/** A login shell on the device, outside every container. */
export async function deviceSession(context: Context): Promise<void> {
  await session(context, `a shell on ${context.store.get().deviceName}`, (options) => context.device.shell(options));
}

/** The device's own shell, whose commands are those of `gantry`. */
export async function deviceGsh(context: Context): Promise<void> {
  await session(context, `gsh on ${context.store.get().deviceName}`, (options) =>
    context.device.shell({ ...options, command: ['gsh'] }),
  );
}

async function session(
  context: Context,
  what: string,
  open: (options: ExecOptions) => Promise<Session>,
): Promise<void> {
  context.store.set({ opening: what });
  const size = terminalSize();
  const env = [`TERM=${process.env.TERM ?? 'xterm-256color'}`];
  try {
    const opened = await open({ command: [], tty: true, env, size });
    if (context.store.get().opening !== what) {
      opened.close();
      return;
    }
    context.store.set({ opening: undefined });
    await context.handOver(async () => {
      const end = await passThrough(opened, { title: what, size, connection: context.device.connection });
      const failed = end.exitCode === 126 || end.exitCode === 127;
      context.toast(failed ? 'error' : 'info', `${what} ended: ${failed ? end.lastLine : end.reason}`);
    });
  } catch (error) {
    context.toast('error', `${what} could not be opened: ${errorText(error)}`);
  } finally {
    context.store.set((state) => (state.opening === what ? { opening: undefined } : {}));
  }
  context.refresh(true);
}
