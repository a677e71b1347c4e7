import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ExitError, exitCodes } from '../cli/exit-codes.ts';
import { reportError } from '../cli/report-error.ts';
import { messageOf } from '../shared/message-of.ts';
import { candidatesFor } from './completion.ts';
import { type DeviceView, lookAtDevice, promptOf, statusLine } from './device-view.ts';
import { LineEditor, type Outcome } from './editor/line-editor.ts';
import { History, historyFile } from './history.ts';
import { commands, makeProgram, runCommand } from './program.ts';
import { wordsOf } from './words.ts';

/** Told to the script that started the shell on the console (init-container/boot/console): it starts it again when it is used. */
const idleExitCode = 75;
const idle = Symbol('idle');

export interface InteractiveOptions {
  /** Milliseconds without a key after which the shell ends; undefined: it stays. */
  idleMs: number | undefined;
}

/** A prompt on this terminal until the person leaves. Resolves to the exit code of the last command. */
export async function interact({ idleMs }: InteractiveOptions): Promise<number> {
  const { stdin, stdout } = process;
  const history = new History(historyFile());
  const columns = () => stdout.columns as number | undefined;
  const editor = new LineEditor({ columns, history: () => history.lines });
  stdin.setEncoding('utf8');
  // What runs at the moment ends by it; the shell itself stays.
  process.on('SIGINT', () => undefined);
  let view: DeviceView | undefined;
  let shown = '';
  let code: number = exitCodes.ok;
  stdout.write('The shell of this device. "help" lists the commands, Tab completes, Ctrl-D leaves.\r\n');
  for (;;) {
    view = await lookAtDevice(view);
    const status = statusLine(view, columns() || 80);
    if (status !== shown) stdout.write(`${status.replaceAll('\n', '\r\n')}\r\n`);
    shown = status;
    const line = await readLine(editor, promptOf(view), view, idleMs);
    if (line === idle) return idleExitCode;
    if (line === undefined) return code;
    // An empty line asks how the device is.
    if (line.trim() === '') {
      shown = '';
      continue;
    }
    history.add(line);
    let words: string[];
    try {
      words = wordsOf(line);
    } catch (error) {
      code = reportError(new ExitError(exitCodes.usage, messageOf(error)));
      continue;
    }
    if (words[0] === 'exit' || words[0] === 'quit') return code;
    if (words.length > 0) code = await runCommand(words);
    process.exitCode = undefined;
  }
}

/** One line; undefined when the person leaves or the terminal is gone; `idle` when nothing was typed for too long. */
function readLine(
  editor: LineEditor,
  prompt: string,
  view: DeviceView,
  idleMs: number | undefined,
): Promise<string | typeof idle | undefined> {
  const { stdin, stdout } = process;
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const settle = (line: string | typeof idle | undefined) => {
      clearTimeout(timer);
      stdin.off('data', take);
      stdin.off('end', gone);
      stdin.setRawMode(false);
      stdin.pause();
      resolve(line);
    };
    const gone = () => settle(undefined);
    const wait = () => {
      clearTimeout(timer);
      if (idleMs !== undefined)
        timer = setTimeout(() => {
          stdout.write('\r\nNothing was typed for a while.\r\n');
          settle(idle);
        }, idleMs);
    };
    const take = (text: string) => {
      wait();
      const { output, outcome } = editor.feed(text);
      stdout.write(output);
      if (outcome) act(outcome);
    };
    const act = (outcome: Outcome) => {
      if (outcome.type === 'line') settle(outcome.text);
      else if (outcome.type === 'interrupt') settle('');
      else if (outcome.type === 'end') settle(undefined);
      else {
        const files = filesLike;
        const context = { ...view, commands: Object.keys(commands), options: optionsOf, files };
        void candidatesFor(outcome.before, context).then((candidates) => {
          stdout.write(editor.offer(candidates));
          take('');
        });
      }
    };
    stdin.setRawMode(true);
    stdin.on('data', take);
    stdin.on('end', gone);
    stdin.resume();
    stdout.write(editor.start(prompt));
    take('');
  });
}

async function optionsOf(name: string): Promise<string[]> {
  const program = await makeProgram(name);
  const command = program.commands.find((candidate) => candidate.name() === name);
  return (command?.options ?? []).flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
}

function filesLike(prefix: string): string[] {
  const folder = prefix.endsWith('/') ? prefix : dirname(prefix);
  try {
    return readdirSync(folder, { withFileTypes: true }).map((entry) => {
      const path = prefix.startsWith('./') || folder !== '.' ? `${join(folder, entry.name)}` : entry.name;
      return entry.isDirectory() ? `${path}/` : path;
    });
  } catch {
    return [];
  }
}
