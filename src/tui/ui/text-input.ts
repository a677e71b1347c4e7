import { displayWidth, sliceWidth } from '../../shared/text/width.ts';
import type { TextField } from '../store/text-field.ts';
import type { Span } from './line.tsx';

/** A text field in `width` cells, its cursor in sight and shown inverse. */
export function textInput(field: TextField, width: number): Span[] {
  const characters = [...field.text];
  const before = characters.slice(0, field.cursor).join('');
  const at = characters[field.cursor] ?? ' ';
  const after = characters.slice(field.cursor + 1).join('');
  const beforeWidth = displayWidth(before);
  const hidden = Math.max(0, beforeWidth + displayWidth(at) - width);
  const shown = hidden === 0 ? before : sliceWidth(before, hidden, beforeWidth);
  return [shown, [at, 'selected'], sliceWidth(after, 0, Math.max(0, width - displayWidth(shown) - displayWidth(at)))];
}
