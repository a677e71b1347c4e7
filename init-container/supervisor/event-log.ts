import { EventEmitter } from 'node:events';
import type { ComponentView } from './component-view.ts';
import type { ContainerEvent, SupervisorEvents } from './types.ts';

/** Enough for a client that asks "since a minute ago" after a reconnect. */
const kept = 512;

/** Emits what happens to containers, and remembers the newest. */
export class EventLog extends EventEmitter<SupervisorEvents> {
  readonly past: ContainerEvent[] = [];
  #last = 0n;

  constructor() {
    super();
    this.setMaxListeners(0);
  }

  /** `attributes.id` and `attributes.image` stand in for the component's own when that has changed already. */
  record(component: ComponentView, action: string, attributes: Record<string, string> = {}): void {
    const { id = component.id, image = component.image?.ref ?? '', ...rest } = attributes;
    const event: ContainerEvent = {
      action,
      component: component.name,
      id,
      image,
      timeNano: this.#now(),
      attributes: rest,
    };
    this.past.push(event);
    if (this.past.length > kept) this.past.shift();
    this.emit('event', event);
  }

  /** Unique and rising, so that "after this event" has a meaning. */
  #now(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return this.#last;
  }
}
