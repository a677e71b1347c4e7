import type { ImageOffer, SwapEvent } from '../../shared/api/types.ts';
import { formatBytes } from '../../shared/text/format.ts';
import { sanitizeLine } from '../../shared/text/sanitize.ts';
import { type ImageToSend, type PlannedTransfer, shownTransfer } from './planner.ts';
import { transferWords } from './words.ts';

/** What the host says while it sends. */
export function stage(
  component: string,
  message: string,
  more: Pick<SwapEvent, 'progress' | 'transfer'> = {},
): SwapEvent {
  const at = new Date().toISOString();
  return { stage: 'stage', component, at, message: sanitizeLine(message, { color: false }), sending: true, ...more };
}

/** Said before what can take longer than a person waits for nothing. */
export function lookingWords(images: readonly ImageToSend[]): SwapEvent {
  const refs = images.map(({ source }) => source.ref).join(', ');
  return stage(images[0]?.component ?? '', `${refs}: working out what differs from what the device has`);
}

/** What will travel. */
export function* planWords(images: readonly ImageToSend[], plan: PlannedTransfer): Generator<SwapEvent> {
  const transfer = shownTransfer(plan);
  const [first] = images;
  if (!first) return;
  const refs = images.map(({ source }) => source.ref).join(', ');
  const progress = { done: 0, total: plan.bytes };
  yield stage(first.component, `${refs}: ${transferWords(transfer)}`, { progress, transfer });
}

/** What the device did to make room, and whether it may be too little. */
export function* roomWords({ component, source }: ImageToSend, { room }: ImageOffer): Generator<SwapEvent> {
  if (room && room.collectedBytes > 0) {
    yield stage(component, `the device removed ${formatBytes(room.collectedBytes)} of old images to make room`);
  }
  if (room && room.needBytes > room.freeBytes) {
    const figures = `may need ${formatBytes(room.needBytes)}, ${formatBytes(room.freeBytes)} are free`;
    yield stage(component, `${source.ref} may not fit on the device: it ${figures}`);
  }
}
