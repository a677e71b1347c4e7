import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { type Command, InvalidArgumentError } from 'commander';
import type { ConnectionState, LogLine } from '../device/device.ts';
import { parseDuration } from '../shared/duration.ts';
import { addDeviceOptions } from './device-options.ts';
import { addJsonOption } from './output.ts';
import { withDevice } from './with-device.ts';

interface Options {
  follow?: boolean;
  tail?: number;
  timestamps?: boolean;
  since?: number;
  json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('logs')
    .summary('the log of a component')
    .description(
      'Prints the log of a system container, of the init container (init), or of the kernel (kernel). What went to stderr, ' +
        'of the kernel its errors, goes to stderr. A followed log goes on over restarts and lost connections, each line once. ' +
        'With --json: one object a line.',
    )
    .argument('<name>', 'the component');
  registerLogs(command, (words) => words[0] ?? '');
}

/** The options and the action of a command that prints a log: that of the component which `nameIn` finds in its words. */
export function registerLogs(command: Command, nameIn: (words: string[]) => string): void {
  command
    .option('-f, --follow', 'go on with what is written from now on')
    .option('-n, --tail <lines>', 'only the last lines', count)
    .option('-t, --timestamps', 'when each line was written')
    .option('--since <time>', 'only what is newer: 10m, 1h30m, or a time such as 2030-01-31T12:00:00Z', moment);
  addJsonOption(addDeviceOptions(command)).action(async () => {
    const name = nameIn(command.args);
    const options = command.opts<Options>();
    await withDevice(command, async ({ device, color, signal }) => {
      if (options.follow) device.connection.subscribe(sayWhenLost());
      const { follow, tail, timestamps, since, json } = options;
      for await (const line of device.logs(name, { follow, tail, timestamps, since, signal })) {
        const out = json || line.stream === 'stdout' ? process.stdout : process.stderr;
        // Following a log must not fill our memory when the reader at the other end of the pipe is slow.
        const text = json ? jsonLine(line) : formatLogLine(line, color);
        if (!out.write(text)) await once(out, 'drain');
      }
    });
  });
}

/** Says once each time the connection is lost: a log that stands still looks like one that has nothing to say. */
function sayWhenLost(): (state: ConnectionState) => void {
  let lost = false;
  return ({ state, ...more }) => {
    if (state === 'reconnecting' && !lost && 'detail' in more) {
      process.stderr.write(`gantry: the connection is lost (${more.detail}); the log goes on when it is back\n`);
    }
    lost = state === 'reconnecting';
  };
}

function jsonLine(line: LogLine): string {
  return `${JSON.stringify({ ...line, text: stripVTControlCharacters(line.text) })}\n`;
}

/** A line of a log for people, with its end. */
export function formatLogLine(line: LogLine, color: boolean): string {
  const text = color ? line.text : stripVTControlCharacters(line.text);
  return line.time === undefined ? `${text}\n` : `${line.time} ${text}\n`;
}

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a number of lines.');
  return Number(text);
}

/** Seconds since the epoch. */
export function moment(text: string, _previous?: unknown, now = Date.now()): number {
  const duration = parseDuration(text);
  if (duration !== undefined) return (now - duration) / 1000;
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return Number(text);
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new InvalidArgumentError('Give a duration such as 10m, or a time such as 2030-01-31T12:00:00Z.');
  return time / 1000;
}
