import { TransportError } from '../transport/transport.ts';
import type { ApiClient } from './api-client.ts';
import type { DeviceEvent } from './device.ts';
import { dockerEventSchema } from './schemas.ts';

/** What happens on the device, from now on. Ends when `signal` aborts; throws when the connection breaks. */
export async function* watchEvents(api: ApiClient, signal: AbortSignal): AsyncGenerator<DeviceEvent> {
  try {
    for await (const event of api.lines('GET', '/events', dockerEventSchema, { signal })) {
      const { name } = event.Actor.Attributes;
      const ms = event.timeNano !== undefined ? event.timeNano / 1e6 : (event.time ?? 0) * 1000;
      yield {
        time: new Date(ms).toISOString(),
        type: event.Type,
        action: event.Action,
        component: name ?? event.Actor.ID ?? '',
      };
    }
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  if (!signal.aborted) throw new TransportError('the device ended its stream of events', { retry: true });
}
