import { formatMilliseconds } from '../../shared/text/format.ts';
import type { Context } from '../context.ts';
import { errorText } from '../errors.ts';
import { selectedComponent } from '../store/state.ts';
import { confirm } from './dialog.ts';

type Verb = 'start' | 'stop' | 'restart';
const words = {
  start: { title: 'Start', doing: 'starting', done: 'started' },
  stop: { title: 'Stop', doing: 'stopping', done: 'stopped' },
  restart: { title: 'Restart', doing: 'restarting', done: 'restarted' },
} as const;
/** Components that may carry the connection itself, by the names they usually have. */
const carriesConnection = /ssh|dropbear|dhcp|net|wlan|wifi|eth|wpa|vpn|wireguard|tailscale/i;

/** Starts, stops or restarts the selected system container, after asking. */
export function askLifecycle(context: Context, verb: Verb): void {
  const row = selectedComponent(context.store.get());
  if (!row) return;
  const { title } = words[verb];
  confirm(context, `${title} ${row.name}?`, [consequence(row.name, row.image, verb)], title, () => {
    void carryOut(context, row.name, verb);
  });
}

function consequence(name: string, image: string, verb: Verb): string {
  if (verb === 'start') return `${name} runs ${image} again.`;
  if (!carriesConnection.test(name)) {
    return verb === 'stop'
      ? `${name} stays stopped until it is started.`
      : `${name} stops and starts again with ${image}.`;
  }
  return verb === 'stop'
    ? `Your connection may go through ${name}: it may drop and not come back.`
    : `Your connection may go through ${name}: it may drop for a moment.`;
}

async function carryOut(context: Context, name: string, verb: Verb): Promise<void> {
  const { store, device } = context;
  const { doing, done } = words[verb];
  store.set((state) => ({ busy: { ...state.busy, [name]: doing } }));
  const before = performance.now();
  try {
    await device[verb](name);
    context.toast('info', `${name} ${done} in ${formatMilliseconds(performance.now() - before)}`);
  } catch (error) {
    context.toast('error', `${name} was not ${done}: ${errorText(error)}`);
  } finally {
    store.set((state) => ({ busy: Object.fromEntries(Object.entries(state.busy).filter(([key]) => key !== name)) }));
    context.refresh();
  }
}
