import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { swapStages } from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { componentName, digestSchema } from '../../src/shared/definition/revision.ts';
import { digestOf } from '../../src/shared/oci/digest.ts';
import { readIfThere, setAside, writeFileDurably } from '../store/durable.ts';
import { messageOf } from '../store/errors.ts';

const eventSchema = z.strictObject({
  stage: z.enum(swapStages),
  component: z.string(),
  at: z.string(),
  message: z.string(),
  revision: z.number().optional(),
  downtimeMs: z.number().optional(),
  progress: z.strictObject({ done: z.number(), total: z.number() }).optional(),
});

const appliedSchema = z.strictObject({
  component: componentName,
  side: z.enum(['old', 'new']),
  /** Absent while it is being applied. */
  effect: z.enum(['live', 'restart-init', 'reboot']).optional(),
  /** The boot and the process it was applied in: in a later one it has taken effect. */
  boot: z.string(),
  process: z.string(),
});
export type Applied = z.infer<typeof appliedSchema>;

const recordSchema = z.strictObject({
  /** `/proc/sys/kernel/random/boot_id` of the boot the swap began in. */
  boot: z.string(),
  startedAt: z.string(),
  /** For people: "swap web". */
  reason: z.string(),
  /** Number of the revision that was in force. */
  base: z.number().int().nonnegative(),
  /** Number of the new one, once it is kept. */
  target: z.number().int().nonnegative().optional(),
  components: z.array(z.strictObject({ name: componentName, ranBefore: z.boolean(), wasWell: z.boolean() })),
  /** Components that were healthy, or had no health check and ran, when the swap began. */
  well: z.array(z.string()),
  /** Whether a failure makes what is new refused; not so when a person rolls back by hand. */
  refuses: z.boolean(),
  /** Written, and on the disk, before what it names takes effect. */
  phase: z.enum(swapStages),
  /** How far parts (kernel, base, init) have come; the newest of a component is what counts. */
  applied: z.array(appliedSchema),
  /** How often another process went on with it. */
  resumed: z.number().int().nonnegative(),
  /** Why it is being rolled back, once it is. `atFault`: the changed components that failed. */
  failure: z.strictObject({ reason: z.string(), atFault: z.array(z.string()), interrupted: z.boolean() }).optional(),
  events: z.array(eventSchema),
});
/** One flipped bit could name another revision: the digest of the record stands beside it. */
const fileSchema = z.strictObject({ schema: z.literal(1), digest: digestSchema, record: recordSchema });
export type SwapRecord = z.infer<typeof recordSchema>;
export type Failure = NonNullable<SwapRecord['failure']>;

/** Where the newest swap is kept, so that the next process knows how far it came. */
export interface SwapJournal {
  read(): Promise<SwapRecord | undefined>;
  write(record: SwapRecord): Promise<void>;
}

/** The journal in one file, replaced as a whole at each transition. A damaged one is set aside and reported. */
export class FileJournal implements SwapJournal {
  readonly #path: string;
  readonly #report: (message: string) => void;

  constructor(path: string, report: (message: string) => void) {
    this.#path = path;
    this.#report = report;
  }

  async read(): Promise<SwapRecord | undefined> {
    try {
      const text = await readIfThere(this.#path);
      if (text === undefined) return undefined;
      const { digest, record } = fileSchema.parse(JSON.parse(text));
      if (digest !== digestOf(canonicalJson(record))) throw new Error('its digest is wrong');
      return record;
    } catch (error) {
      this.#report(
        `the journal of the newest swap is damaged (${messageOf(error)}); kept as ${await setAside(this.#path)}`,
      );
      return undefined;
    }
  }

  async write(record: SwapRecord): Promise<void> {
    const file = { schema: 1, digest: digestOf(canonicalJson(record)), record };
    await writeFileDurably(this.#path, JSON.stringify(file), record.phase);
  }
}

/** Names this boot of the machine. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}
