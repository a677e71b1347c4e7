import type { ContainerEvent } from '../supervisor/types.ts';
import type { ApiContext } from './context.ts';
import { filtersOf, momentOf } from './filters.ts';
import { startJsonStream } from './respond.ts';
import type { Call, Route } from './router.ts';

const largestBacklog = 1 << 20;

/** `GET /events`: what happens to system containers, with the fields of old clients beside the new ones. */
export function eventRoutes(context: ApiContext): Route[] {
  return [{ method: 'GET', pattern: '/events', handler: (call) => streamEvents(context, call) }];
}

function streamEvents({ supervisor }: ApiContext, { query, response }: Call): void {
  const since = momentOf('since', query.get('since'));
  const until = momentOf('until', query.get('until'));
  const filters = filtersOf(query.get('filters'));
  const write = startJsonStream(response);
  const send = (event: ContainerEvent) => {
    if (until !== undefined && event.timeNano > until) return;
    if (passes(event, filters)) write(eventJson(event));
    // A client that has stopped reading must not fill our memory; when it comes back it can ask with `since`.
    if (response.writableLength > largestBacklog) response.destroy();
  };
  if (since !== undefined) for (const event of supervisor.events.past) if (event.timeNano >= since) send(event);
  const now = BigInt(Date.now()) * 1_000_000n;
  if (until !== undefined && until <= now) {
    response.end();
    return;
  }
  supervisor.events.on('event', send);
  // Timers count to 2^31 ms at most; nobody listens for longer than that.
  const remaining = until === undefined ? undefined : Math.min(Number((until - now) / 1_000_000n), 2 ** 31 - 1);
  const timer = remaining === undefined ? undefined : setTimeout(() => response.end(), remaining);
  response.once('close', () => {
    clearTimeout(timer);
    supervisor.events.off('event', send);
  });
}

/** `timeNano` is a number as in Docker's own JSON; it loses the last digits, as it does in every JavaScript client. */
export function eventJson(event: ContainerEvent) {
  return {
    status: event.action,
    id: event.id,
    from: event.image,
    Type: 'container',
    Action: event.action,
    Actor: { ID: event.id, Attributes: { ...event.attributes, image: event.image, name: event.component } },
    scope: 'local',
    time: Number(event.timeNano / 1_000_000_000n),
    timeNano: Number(event.timeNano),
  };
}

function passes(event: ContainerEvent, filters: Map<string, string[]>): boolean {
  const matches: Record<string, (value: string) => boolean> = {
    type: (value) => value === 'container',
    event: (value) => event.action === value || event.action.startsWith(`${value}:`),
    container: (value) => event.component === value.replace(/^\//, '') || event.id.startsWith(value),
    image: (value) => event.image === value,
    scope: (value) => value === 'local',
  };
  return [...filters].every(([key, values]) => values.length === 0 || values.some((value) => matches[key]?.(value)));
}
