import { InvalidArgumentError } from 'commander';
import { parseDuration } from '../shared/duration.ts';

/** For an option: checks a duration such as `500ms`, and keeps it as it was written. */
export function duration(text: string): string {
  if (parseDuration(text) === undefined) throw new InvalidArgumentError('Give a duration such as 500ms or 3s.');
  return text;
}
