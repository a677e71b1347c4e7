/** A one-line text input: the text and where the cursor is, in code points. */
export interface TextField {
  text: string;
  cursor: number;
}

export const emptyField: TextField = { text: '', cursor: 0 };

export function fieldOf(text: string): TextField {
  return { text, cursor: [...text].length };
}

/** The field with `typed` put in at the cursor; control characters (a pasted newline) are left out. */
export function insertText(field: TextField, typed: string): TextField {
  const characters = [...field.text];
  const added = [...typed.replace(/\p{Control}/gu, '')];
  characters.splice(field.cursor, 0, ...added);
  return { text: characters.join(''), cursor: field.cursor + added.length };
}

/** The field after an editing key, or undefined if the key is not one. */
export function editField(field: TextField, key: string): TextField | undefined {
  const characters = [...field.text];
  const { cursor } = field;
  const cut = (from: number, to: number) => {
    characters.splice(from, to - from);
    return { text: characters.join(''), cursor: from };
  };
  switch (key) {
    case 'backspace':
      return cursor === 0 ? field : cut(cursor - 1, cursor);
    case 'delete':
      return { ...cut(cursor, cursor + 1), cursor };
    case 'ctrl-u':
      return cut(0, cursor);
    case 'ctrl-k':
      return cut(cursor, characters.length);
    case 'ctrl-w':
      return cut(wordStart(characters, cursor), cursor);
    case 'left':
      return { ...field, cursor: Math.max(0, cursor - 1) };
    case 'right':
      return { ...field, cursor: Math.min(characters.length, cursor + 1) };
    case 'home':
    case 'ctrl-a':
      return { ...field, cursor: 0 };
    case 'end':
    case 'ctrl-e':
      return { ...field, cursor: characters.length };
    default:
      return undefined;
  }
}

function wordStart(characters: string[], cursor: number): number {
  let at = cursor;
  while (at > 0 && characters[at - 1] === ' ') at--;
  while (at > 0 && characters[at - 1] !== ' ') at--;
  return at;
}
