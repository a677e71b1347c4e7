import { formatBytes, formatDuration } from '../../shared/text/format.ts';
import type { SerialConsole } from '../../transport/serial/console.ts';
import type { LineReport } from '../../transport/serial/line.ts';
import type { ModemLines } from '../../transport/serial/port-controls.ts';
import type { KeyEvent } from './keys.ts';
import type { Shown } from './shown.ts';

type Asked = Exclude<KeyEvent, { type: 'input' | 'say' | 'send' }>;

/** What the keys behind the prefix do to a line. Rejects when the line cannot do it. */
export async function runLineCommand(event: Asked, console: SerialConsole, shown: Shown): Promise<void> {
  switch (event.type) {
    case 'sysrq':
      await console.control({ do: 'sysrq', key: event.key });
      shown.note(`SysRq ${event.key} was sent`);
      return;
    case 'line': {
      const { modem } = await console.control({ do: 'report' });
      const after = await console.control({ do: 'set', line: event.line, on: !(modem?.[event.line] ?? true) });
      shown.note(modemText(after.modem));
      return;
    }
    case 'command':
      break;
  }
  switch (event.name) {
    case 'clear':
      shown.clear();
      return;
    case 'stamps':
      shown.toggleStamps();
      return;
    case 'log':
      shown.toggleLog();
      return;
    case 'break':
      await console.control({ do: 'break' });
      shown.note('a break was sent');
      return;
    case 'toggle':
      await console.toggle();
      shown.note(console.mode === 'shell' ? 'this is the shell' : 'this is the bare line');
      return;
    case 'lines':
      shown.note(modemText((await console.control({ do: 'report' })).modem));
      return;
    case 'statistics':
      for (const line of statistics(await console.control({ do: 'report' }))) shown.note(line);
      return;
    case 'help':
    case 'quit':
      return;
  }
}

function statistics({ path, baud, flow, received, sent, openForMs, holder, guests, link }: LineReport): string[] {
  const others = guests === 1 ? 'one other program shares it' : `${guests} other programs share it`;
  return [
    `${path}, ${baud} baud, flow control ${flow}, link ${link}`,
    `open for ${formatDuration(openForMs / 1000)}: ${formatBytes(received)} received, ${formatBytes(sent)} sent`,
    holder === process.pid ? `this process holds the line; ${others}` : `process ${holder} holds the line`,
  ];
}

function modemText(modem: ModemLines | undefined): string {
  if (!modem) return 'this line has no modem lines';
  return Object.entries(modem)
    .map(([name, on]) => `${name.toUpperCase()} ${on ? 'on' : 'off'}`)
    .join(', ');
}
