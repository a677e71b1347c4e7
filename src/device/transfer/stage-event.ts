import type { SwapEvent } from '../../shared/api/types.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';

/** What the host says while it sends. */
export function stage(
  component: string,
  message: string,
  more: Pick<SwapEvent, 'progress' | 'transfer'> = {},
): SwapEvent {
  const at = new Date().toISOString();
  return { stage: 'stage', component, at, message: sanitizeLine(message, { color: false }), sending: true, ...more };
}
