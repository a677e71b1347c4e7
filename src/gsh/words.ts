/** The words of a line, quoted as in any shell: '…', "…" and \. Throws when a quote is not closed. `#` begins a comment. */
export function wordsOf(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const char = line[at] ?? '';
    if (quote === "'" ? char !== "'" : quote === '"' && char !== '"' && char !== '\\') word = (word ?? '') + char;
    else if (char === quote) quote = '';
    else if (char === '\\') word = (word ?? '') + (line[++at] ?? '');
    else if (char === "'" || char === '"') {
      quote = char;
      word ??= '';
    } else if (char === '#' && word === undefined) break;
    else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (quote !== '') throw new Error(`a ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}
