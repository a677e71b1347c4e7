import { readFile } from 'node:fs/promises';
import { processesOf } from '../engine/cgroup.ts';
import { type ProcStat, procStat } from '../native/processes.ts';
import type { ApiContext } from './context.ts';
import { sendJson } from './respond.ts';
import { HttpError, type Route } from './router.ts';

const titles = ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'];

/** Clock ticks a second: USER_HZ is 100 on every architecture we boot. */
const ticksPerSecond = 100;

/** `GET /containers/{id}/top`: as `ps -ef` shows it, without needing a ps anywhere; `ps_args` is ignored. */
export function topRoutes({ supervisor }: ApiContext): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/containers/{id}/top',
      handler: async ({ params, response }) => {
        const component = supervisor.find(params.id ?? '');
        if (!component.running) throw new HttpError(409, `container ${component.name} is not running`);
        const bootedAt = Date.now() - Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1000;
        const rows = await Promise.all((await processesOf(component.instance)).map((pid) => row(pid, bootedAt)));
        sendJson(response, 200, { Titles: titles, Processes: rows.filter((r) => r !== undefined) });
      },
    },
  ];
}

async function row(pid: number, bootedAt: number): Promise<string[] | undefined> {
  const stat = await procStat(pid);
  if (!stat) return undefined;
  const [status, commandLine] = await Promise.all(
    ['status', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
  );
  const uid = /^Uid:\s+(\d+)/m.exec(status ?? '')?.[1] ?? '0';
  const command = (commandLine ?? '').replaceAll('\0', ' ').trim() || `[${stat.command}]`;
  const startedAt = bootedAt + (stat.startTicks / ticksPerSecond) * 1000;
  const seconds = (stat.userTicks + stat.systemTicks) / ticksPerSecond;
  const ran = Math.max(1, (Date.now() - startedAt) / 1000);
  const percent = String(Math.min(99, Math.floor((100 * seconds) / ran)));
  return [uid, String(pid), String(stat.ppid), percent, clock(startedAt), terminal(stat), cpuTime(seconds), command];
}

const clock = (ms: number) => new Date(ms).toISOString().slice(11, 16);

function cpuTime(seconds: number): string {
  const part = (value: number) => String(Math.floor(value)).padStart(2, '0');
  return [part(seconds / 3600), part((seconds / 60) % 60), part(seconds % 60)].join(':');
}

/** Pseudo-terminals have major numbers 136 to 143. */
function terminal({ tty }: ProcStat): string {
  const major = (tty >> 8) & 0xfff;
  const minor = (tty & 0xff) | ((tty >> 12) & 0xfff00);
  return major >= 136 && major <= 143 ? `pts/${(major - 136) * 256 + minor}` : '?';
}
