import { distance } from '../shared/text/nearest.ts';

/** At most three of `candidates` that a person may have meant by `name`, nearest first. */
export function nearestNames(name: string, candidates: Iterable<string>): string[] {
  const wanted = name.toLowerCase();
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  return [...new Set(candidates)]
    .map((candidate) => {
      const other = candidate.toLowerCase();
      const contained = wanted.length >= 2 && (other.includes(wanted) || wanted.includes(other));
      return { candidate, edits: contained ? 1 : distance(wanted, other) };
    })
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** `Did you mean web or web2?`, or what there is, or nothing. */
export function suggestion(name: string, candidates: Iterable<string>): string {
  const all = [...new Set(candidates)];
  const near = nearestNames(name, all);
  if (near.length > 0) return `Did you mean ${near.join(' or ')}?`;
  if (all.length === 0) return '';
  return `There ${all.length === 1 ? 'is' : 'are'}: ${all.slice(0, 20).join(', ')}${all.length > 20 ? ', …' : ''}`;
}
