/** Where a chapter that was not there yet is put before. */
const LAST = '## Time of `gantry ps`';

/**
 * Replaces in a report the sections that have the headings of `sections` (each a heading or a paragraph) by these, where the
 * first of them stood. The others stay as they are.
 */
export function putChapter(report: string, sections: readonly string[]): string {
  const headings = new Set(sections.filter((section) => section.startsWith('## ')));
  const parts = report.split(/^(?=## )/m);
  const isOfChapter = (part: string): boolean => headings.has(part.split('\n', 1)[0] ?? '');
  const first = parts.findIndex(isOfChapter);
  const last = parts.findIndex((part) => part.startsWith(LAST));
  const place = first >= 0 ? first : last >= 0 ? last : parts.length;
  const before = parts.slice(0, place);
  const behind = parts.slice(place).filter((part) => !isOfChapter(part));
  return [...before, `${sections.join('\n\n')}\n\n`, ...behind].join('').replace(/\n+$/, '\n');
}
