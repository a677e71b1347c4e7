import { hostname } from 'node:os';
import { connect } from '../cli/connector.ts';
import type { ComponentStatus } from '../shared/api/types.ts';
import { messageOf } from '../shared/message-of.ts';
import { displayWidth } from '../shared/text/width.ts';

/** A device that takes longer to answer keeps nobody from typing. */
const patienceMs = 2_000;

/** What the prompt and the completion go by, as of the last look. */
export interface DeviceView {
  name: string;
  components: ComponentStatus[];
  /** The revision in force; undefined when the init container does not answer. */
  revision: number | undefined;
  revisions: number[];
  /** Why the init container does not answer. */
  problem?: string;
}

/** Never rejects; a device that does not answer in time is shown without its components. */
export async function lookAtDevice(before?: DeviceView): Promise<DeviceView> {
  const known = { name: hostname(), components: before?.components ?? [], revisions: before?.revisions ?? [] };
  const signal = AbortSignal.timeout(patienceMs);
  try {
    const device = await connect(undefined, { signal });
    try {
      const late = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error(`it did not answer within ${patienceMs / 1000} s`)));
      });
      const [components, list] = await Promise.race([Promise.all([device.components(), device.revisions()]), late]);
      const revisions = list.revisions.map(({ number }) => number);
      return { ...known, components, revision: list.current, revisions };
    } finally {
      await device.close();
    }
  } catch (error) {
    return { ...known, revision: undefined, problem: messageOf(error) };
  }
}

/** `demo r3> `; `!` when something is not well. */
export function promptOf(view: DeviceView): string {
  if (view.revision === undefined) return `${view.name} ??> `;
  const isIll = view.components.some((component) => /^[A-Z]/.test(stateWord(component) ?? ''));
  return `${view.name} r${view.revision}${isIll ? '!' : ''}> `;
}

/** All components and their states in short, at most `columns` wide; what is not well comes first and is in capitals. */
export function statusLine(view: DeviceView, columns: number): string {
  if (view.problem !== undefined)
    return `the init container does not answer: ${view.problem}\nType "recover" to see why.`;
  const words = view.components.flatMap((component) => {
    const state = stateWord(component);
    return state === undefined ? [] : [{ text: `${component.name} ${state}`, ill: /^[A-Z]/.test(state) }];
  });
  const sorted = [...words.filter(({ ill }) => ill), ...words.filter(({ ill }) => !ill)].map(({ text }) => text);
  for (let count = sorted.length; count > 0; count--) {
    const rest = sorted.length - count;
    const line = [...sorted.slice(0, count), ...(rest > 0 ? [`and ${rest} more`] : [])].join(', ');
    if (displayWidth(line) < columns || count === 1) return line;
  }
  return 'no system container runs here';
}

/** Undefined for what is as it should be and needs no word: parts that run, containers that have done their work. */
function stateWord({ kind, state, health, exitCode }: ComponentStatus): string | undefined {
  const isPart = kind === 'kernel' || kind === 'base' || kind === 'init';
  if (state === 'running') {
    if (health === 'unhealthy') return 'UNHEALTHY';
    if (health === 'starting') return 'starting';
    return isPart ? undefined : 'up';
  }
  if (state === 'failed') return 'FAILED';
  if (state === 'exited') return exitCode === 0 ? undefined : 'EXITED';
  if (state === 'created') return kind === 'onshutdown' ? undefined : 'stopped';
  return state;
}
