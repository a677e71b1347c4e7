import { messageOf } from '../store/errors.ts';
import { journal } from './journal.ts';
import { runOnHost } from './run.ts';

/** For whoever looks at the console: a sentence that must not be found only in a log. It is in the log too. Never rejects. */
export async function sayOnConsole(message: string): Promise<void> {
  journal(message);
  const line = `gantry: ${message.replace(/\s*\n\s*/g, ' | ')}`;
  try {
    const { code, stderr } = await runOnHost(
      ['busybox', 'sh', '-c', 'printf "%s\\n" "$1" >/dev/console', 'console', line],
      { timeoutMs: 5000 },
    );
    if (code !== 0) journal(`the console cannot be written to: ${stderr.trim()}`);
  } catch (error) {
    journal(`the console cannot be written to: ${messageOf(error)}`);
  }
}
