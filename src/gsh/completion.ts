import type { ComponentStatus } from '../shared/api/types.ts';

export interface CompletionContext {
  commands: readonly string[];
  components: readonly ComponentStatus[];
  revisions: readonly number[];
  /** Long options of a command, such as `--json`. */
  options: (command: string) => Promise<readonly string[]>;
  /** Paths that begin so; folders end in `/`. */
  files: (prefix: string) => readonly string[];
}

/** Words that may stand where the last one of `before` is. */
export async function candidatesFor(before: string, context: CompletionContext): Promise<string[]> {
  const words = before.trimStart().split(/\s+/);
  if (words[0] === 'gantry') words.shift();
  const last = words.pop() ?? '';
  const [command, ...others] = words;
  if (command === undefined) return [...context.commands, 'exit'];
  if (last.startsWith('-')) return context.commands.includes(command) ? [...(await context.options(command))] : [];
  const named = others.filter((word) => !word.startsWith('-'));
  const containers = context.components.flatMap(({ id, name }) => (id === undefined ? [] : [name]));
  const all = context.components.map(({ name }) => name);
  const numbers = context.revisions.map(String);
  switch (command) {
    case 'start':
    case 'stop':
    case 'restart':
      return containers.filter((name) => !named.includes(name));
    case 'exec':
    case 'inspect':
    case 'sh':
      return named.length === 0 ? containers : [];
    case 'logs':
      return named.length === 0 ? [...new Set([...containers, 'init', 'kernel'])] : [];
    case 'swap':
      return named.length % 2 === 0 ? all : [...context.files(last)];
    case 'rollback':
      return named.length === 0 ? [...all, ...numbers] : [];
    case 'diff':
      return named.length < 2 ? numbers : [];
    case 'power':
      return ['reboot', 'poweroff'];
    case 'help':
      return [...context.commands];
    default:
      return [];
  }
}
