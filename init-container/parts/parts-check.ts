import type { ComponentStatus } from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import type { ComponentKind, ComponentSpec, Revision } from '../../src/shared/definition/revision.ts';
import type { Revisions } from '../revisions/types.ts';
import { messageOf } from '../store/errors.ts';
import type { PartSwapper } from './types.ts';

export interface PartsCheckOptions {
  revisions: Pick<Revisions, 'current' | 'get' | 'committed' | 'fallBack'>;
  swappers: Partial<Record<ComponentKind, PartSwapper>>;
  /** Whether a swap is under way: it knows what runs and why. */
  swapping: () => boolean;
  /** Tells whoever looks at the device's console. */
  say: (sentence: string) => Promise<void>;
}

/** A part that the revision in force names, and something else runs in its place. */
interface Other {
  name: string;
  spec: ComponentSpec;
  why: string;
}

/**
 * Whether init container, base and kernel are those that the revision in force names: the scripts that start them take
 * another one when they must, and cannot change revisions.
 */
export class PartsCheck {
  readonly #options: PartsCheckOptions;
  #others: Other[] = [];

  constructor(options: PartsCheckOptions) {
    this.#options = options;
  }

  /**
   * Puts a former revision in force that names what runs, when there is one that differs in nothing else. Resolves with a
   * sentence about it, undefined when nothing was wrong or there is none. To be called before anything is started.
   */
  async fallBack(): Promise<string | undefined> {
    const { revisions, say, swapping, swappers } = this.#options;
    if (swapping()) return undefined;
    const others = await this.#find(revisions.current().revision);
    if (others.length === 0) return undefined;
    const { number, revision } = revisions.current();
    const containers = this.#withoutParts(revision);
    for (const former of revisions.committed().toReversed()) {
      const candidate = former === number ? undefined : revisions.get(former)?.revision;
      if (!candidate || this.#withoutParts(candidate) !== containers) continue;
      if ((await this.#find(candidate)).length > 0) continue;
      const flaws = others.map(({ name, spec, why }) => `${name} (${spec.image.ref}) does not work: ${why}`);
      const sentence = `${flaws.join('; ')}; revision ${former} took its place`;
      try {
        await revisions.fallBack(former, sentence);
        // Should the power fail before this, what failed is started once more, and the next start compares again.
        for (const { spec } of others) await swappers[spec.kind]?.keepRunning();
      } catch (error) {
        // A full or broken disk must not keep the device from starting.
        await say(`going back to revision ${former} could not be noted: ${messageOf(error)}`);
        break;
      }
      await say(`revision ${number}: ${sentence}`);
      return `revision ${number}: ${sentence}`;
    }
    await this.look();
    return undefined;
  }

  /** Looks what runs, and tells of it when it is something else. */
  async look(): Promise<void> {
    const { revisions, say, swapping } = this.#options;
    if (swapping()) return;
    const known = new Set(this.#others.map(detailOf));
    this.#others = await this.#find(revisions.current().revision);
    for (const detail of this.#others.map(detailOf)) if (!known.has(detail)) await say(detail);
  }

  /** The statuses of all components, with what is wrong with parts. */
  async marked(statuses: ComponentStatus[]): Promise<ComponentStatus[]> {
    // It may have been put right since.
    if (this.#others.length > 0) await this.look();
    return statuses.map((status) => {
      const other = this.#others.find(({ name, spec }) => name === status.name && spec.image.digest === status.digest);
      return other ? { ...status, state: 'failed', detail: detailOf(other) } : status;
    });
  }

  async #find(revision: Revision): Promise<Other[]> {
    const others: Other[] = [];
    for (const [name, spec] of Object.entries(revision.components)) {
      const why = await this.#options.swappers[spec.kind]
        ?.whyOther(spec)
        .catch((error: unknown) => `what runs cannot be told: ${messageOf(error)}`);
      if (why !== undefined) others.push({ name, spec, why });
    }
    return others;
  }

  #withoutParts({ components, ...rest }: Revision): string {
    const containers = Object.entries(components).filter(([, { kind }]) => !this.#options.swappers[kind]);
    return canonicalJson({ ...rest, components: Object.fromEntries(containers) });
  }
}

function detailOf({ name, spec, why }: Other): string {
  const next = `Go back with "gantry rollback ${name}", or try another one with "gantry swap ${name} IMAGE"`;
  return `${spec.image.ref} is in force and does not run: ${why}; something else runs in its place. ${next}`;
}
