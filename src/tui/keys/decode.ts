import type { Key } from 'ink';

const control: Record<string, string> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x1b': 'escape',
  '\x7f': 'backspace',
  '\b': 'backspace',
  ' ': 'space',
};
const named: [keyof Key, string][] = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'escape'],
  ['backspace', 'backspace'],
  ['delete', 'delete'],
];

/**
 * Ink's input event → names of keys: `j`, `G`, `space`, `enter`, `ctrl-c`, `shift-tab`. One event can hold several keys
 * (over SSH held keys arrive together); keys with Alt are none of ours.
 */
export function decodeKeys(input: string, key: Key): string[] {
  if (key.tab) return [key.shift ? 'shift-tab' : 'tab'];
  const name = named.find(([flag]) => key[flag])?.[1];
  if (name !== undefined) return [name];
  if (key.meta) return [];
  if (key.ctrl) return [`ctrl-${input}`];
  return [...input].map(keyOf);
}

/** The text that a key types, undefined for keys that type none. */
export function typedText(key: string): string | undefined {
  if (key === 'space') return ' ';
  return [...key].length === 1 ? key : undefined;
}

function keyOf(character: string): string {
  const code = character.charCodeAt(0);
  return control[character] ?? (code < 0x20 ? `ctrl-${String.fromCharCode(code | 0x60)}` : character);
}
