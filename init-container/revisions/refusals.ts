import type { ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import { specKey } from '../engine/record.ts';
import type { LogRecord } from './log.ts';
import type { Refusal, Refused } from './types.ts';

/** The oldest are forgotten: a device that is offered bad images for years must not run out of space for it. */
const most = 200;

/** Whether what a component would run is refused by this. */
export function applies(refused: Refused, spec: ComponentSpec): boolean {
  return refused.digest === spec.image.digest && (refused.spec === undefined || refused.spec === specKey(spec));
}

/** Adds what has failed, once each, newest last. */
export function withRefused(known: readonly Refusal[], refuse: readonly Refused[], why: string, at: string): Refusal[] {
  const isSame = (a: Refused, b: Refused) => a.component === b.component && a.digest === b.digest && a.spec === b.spec;
  const others = known.filter((one) => !refuse.some((each) => isSame(each, one)));
  return [...others, ...refuse.map((each) => ({ ...each, at, reason: why }))].slice(-most);
}

/** What was put in force has proved that it runs. */
export function withoutProven(known: readonly Refusal[], { components }: Revision): Refusal[] {
  return known.filter((refusal) => {
    const spec = components[refusal.component];
    return spec === undefined || !applies(refusal, spec);
  });
}

/** What is refused, as the log tells it: for a device whose note of it is lost. */
export function refusedByLog(records: readonly LogRecord[], get: (number: number) => Revision | undefined): Refusal[] {
  let refused: Refusal[] = [];
  for (const record of records) {
    const revision = record.type === 'committed' ? get(record.number) : undefined;
    if (revision) refused = withoutProven(refused, revision);
    if (record.type === 'failed') refused = withRefused(refused, record.refuse ?? [], record.failure, record.at);
  }
  return refused;
}
