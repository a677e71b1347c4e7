import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { sanitizeLine } from '../shared/text/sanitize.ts';
import { gantryVersion } from '../shared/version.ts';

type Side = 'older' | 'newer';

/** The version of Gantry that answered; undefined when the answer does not say, as of something else. */
export function versionOf(response: IncomingMessage): string | undefined {
  return /^Docker\/(\d+\.\d+\.\d+[\w.-]*) \(linux\)$/.exec(String(response.headers.server))?.[1];
}

/** What of an answer is wrong, and which side is the older one, as far as that shows. */
export function unexpectedAnswer(error: z.ZodError, value: unknown, version: string | undefined): string {
  const issue = error.issues[0];
  const where = issue?.path.join('.') || 'the whole';
  const what = sanitizeLine(`(${where}: ${issue?.message ?? 'invalid'})`, { color: false });
  const side = ageOf(version) ?? (issue && ageByIssue(issue, value));
  return `${what}: ${side ? adviceFor(side, version) : 'is it another version of Gantry?'}`;
}

/** What to do when a device lacks a route, or a field of a request; undefined when that is not why it refuses. */
export function unknownRoute(status: number, message: string, version: string | undefined): string | undefined {
  const lacks =
    (status === 404 && message.startsWith('page not found')) || (status === 400 && /unrecognized key/i.test(message));
  return lacks ? adviceFor(ageOf(version) ?? 'older', version) : undefined;
}

function adviceFor(side: Side, version: string | undefined): string {
  const device = version === undefined || version === gantryVersion ? 'the device' : `the device (Gantry ${version})`;
  const next =
    side === 'older'
      ? 'Swap its init container for one of this version, or use the gantry that its image was built with'
      : 'Use the gantry that its image was built with, or a newer one';
  return `${device} is ${side} than this gantry (${gantryVersion}). ${next}`;
}

/** How old the device is by its version; undefined when it says none, or ours. */
function ageOf(version: string | undefined): Side | undefined {
  const [theirs, ours] = [version, gantryVersion].map((text) => (text ?? '').split(/[.-]/).slice(0, 3).map(Number));
  for (const [at, number] of (ours ?? []).entries()) {
    const other = theirs?.[at];
    if (other === undefined || Number.isNaN(other)) return undefined;
    if (other !== number) return other < number ? 'older' : 'newer';
  }
  return undefined;
}

/** A field that we expect and that is not there is newer than the device; one that we do not know is newer than we are. */
function ageByIssue(issue: z.core.$ZodIssue, value: unknown): Side | undefined {
  if (issue.code === 'unrecognized_keys' || issue.code === 'invalid_value') return 'newer';
  return at(value, issue.path) === undefined ? 'older' : undefined;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}
