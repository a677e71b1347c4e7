/** "Select graphic rendition" parameters that may reach a person's terminal: colours and weights that hide nothing. */
const mostParameters = 16;

/**
 * The allowed part of the parameters of one SGR sequence (`1;38;5;9` of `ESC [ 1;38;5;9 m`), or undefined if nothing is
 * left. Left out: conceal (8), blinking (5, 6), fonts, anything unknown, anything after a malformed colour.
 */
export function allowedSgr(parameters: string): string | undefined {
  const numbers = parameters.split(';');
  if (numbers.length > mostParameters) return undefined;
  const kept: number[] = [];
  for (let at = 0; at < numbers.length; at++) {
    const text = numbers[at] ?? '';
    if (!/^\d{0,3}$/.test(text)) return undefined;
    const number = Number(text);
    if (number === 38 || number === 48 || number === 58) {
      const length = numbers[at + 1] === '5' ? 3 : numbers[at + 1] === '2' ? 5 : 0;
      const colour = numbers.slice(at, at + length);
      if (length === 0 || colour.length < length || !colour.every(isByte)) break;
      kept.push(...colour.map(Number));
      at += length - 1;
    } else if (isAllowed(number)) {
      kept.push(number);
    }
  }
  return kept.length === 0 ? undefined : kept.join(';');
}

function isByte(text: string): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= 255;
}

function isAllowed(number: number): boolean {
  return (
    number <= 4 ||
    number === 7 ||
    number === 9 ||
    (number >= 21 && number <= 29) ||
    (number >= 30 && number <= 49) ||
    number === 53 ||
    number === 55 ||
    (number >= 90 && number <= 107)
  );
}
