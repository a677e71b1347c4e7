import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import {
  type UpgradeBases,
  type UpgradeImage,
  type UpgradeStatus,
  upgradeImageSchema,
} from '../../src/shared/api/types.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { deltaMediaType } from '../../src/shared/delta/format.ts';
import type { ImageInfo } from '../../src/shared/device-paths.ts';
import type { Digest } from '../../src/shared/oci/types.ts';
import { explainDifference } from '../store/difference.ts';
import { readIfThere, setAside, writeFileDurably } from '../store/durable.ts';
import { messageOf, StoreError } from '../store/errors.ts';
import type { Uploads } from '../store/uploads.ts';
import type { Supervisor } from '../supervisor/types.ts';
import { expectFitting, expectRoom } from './expect-fitting.ts';
import type { ImageContents } from './image-contents.ts';
import type { Slots } from './slots.ts';
import { filesOfUpload } from './uploaded-image.ts';
import { isWhole, writeFiles } from './write-image.ts';

export interface UpgradesOptions {
  slots: Slots | undefined;
  /** What runs. */
  image: ImageInfo;
  /** What a difference can build on; undefined where there are no slots. */
  contents: ImageContents | undefined;
  uploads: Pick<Uploads, 'offset' | 'file' | 'remove'>;
  /** Why this device takes none; undefined when it does. */
  unable: string | undefined;
  supervisor: Pick<Supervisor, 'status' | 'waitHealthy'>;
  /** The data partition. */
  data: string;
  /** Restarts the device in order. */
  reboot: () => Promise<void>;
  /** Whether a swap is under way: it may use the slots too. */
  swapping: () => boolean;
  log: (message: string) => void;
}

/** Everything of a new image must have become healthy by then. */
const trialMs = 300_000;

const recordSchema = z.strictObject({ image: upgradeImageSchema, started: z.boolean() });
type UpgradeRecord = z.infer<typeof recordSchema>;

/** Opens what `Upgrades` needs: whether the image that runs is on trial. */
export async function openUpgrades(options: UpgradesOptions): Promise<Upgrades> {
  const { slots, image } = options;
  const trial = slots !== undefined && (await slots.onTrial()) === slots.running;
  return new Upgrades(options, trial && (await slots.contentOf(slots.running)) === image.id);
}

/** Whole images: written to the slot that is not in use, started once, kept when everything in them is healthy. */
export class Upgrades {
  readonly #options: UpgradesOptions;
  readonly #path: string;
  #writing = false;
  /** Images that uploads are being used for: whoever lost the connection meanwhile asks for the same again. */
  readonly #using = new Map<string, Promise<void>>();
  /** Whether the image that runs is on trial, or another one is about to be. */
  #trying: boolean;

  constructor(options: UpgradesOptions, trying: boolean) {
    this.#options = options;
    this.#trying = trying;
    this.#path = join(options.data, 'upgrade.json');
  }

  /** Whether an image is being written or tried. */
  get busy(): boolean {
    return this.#writing || this.#trying;
  }

  /**
   * Takes an image; `source` is its files, one after the other. `StoreError`: it does not fit this device, is not what it
   * says, or there is no room; nothing is left of it then.
   */
  async write(image: UpgradeImage, source: AsyncIterable<Uint8Array>): Promise<void> {
    const slots = this.#slots();
    this.#expectIdle();
    expectFitting(image, this.#options.image);
    this.#writing = true;
    try {
      const beside = await expectRoom(image, slots, this.#options.data);
      await slots.write(image.id, image.cmdline, (folder) => writeFiles(folder, image, source), { beside });
      await this.#note({ image, started: false });
    } finally {
      this.#writing = false;
    }
  }

  /**
   * The same of a blob that was uploaded: the files, or a difference by which they are made. It is gone afterwards unless it can be
   * used later. `StoreError` (difference): the files have to be sent.
   */
  writeUploaded(image: UpgradeImage, upload: { digest: Digest; mediaType: string }): Promise<void> {
    const key = canonicalJson(image);
    const using = this.#using.get(key) ?? this.#writeUploaded(image, upload).finally(() => this.#using.delete(key));
    this.#using.set(key, using);
    return using;
  }

  async #writeUploaded(image: UpgradeImage, { digest, mediaType }: { digest: Digest; mediaType: string }) {
    const { uploads, contents } = this.#options;
    if (await this.#isWritten(image)) return uploads.remove(digest);
    if ((await uploads.offset(digest)) === 0)
      throw new StoreError('unknown', `nothing of ${digest} was uploaded to this device; send it again`);
    try {
      await this.write(image, filesOfUpload(image, { file: uploads.file(digest), digest, mediaType }, contents));
    } catch (error) {
      const explained = mediaType === deltaMediaType ? explainDifference(error) : error;
      const isUseless = explained instanceof StoreError && explained.kind !== 'full' && explained.kind !== 'refused';
      if (isUseless) await uploads.remove(digest);
      if (explained instanceof StoreError && explained.kind === 'difference') await contents?.forget();
      throw explained;
    }
    await uploads.remove(digest);
  }

  /** What of an image need not be sent. `StoreError`: as `write` would refuse it. */
  async bases(image: UpgradeImage): Promise<UpgradeBases> {
    const slots = this.#slots();
    this.#expectIdle();
    expectFitting(image, this.#options.image);
    const written = await this.#isWritten(image);
    if (!written) await expectRoom(image, slots, this.#options.data);
    return { written, files: written ? [] : ((await this.#options.contents?.list()) ?? []) };
  }

  /** Whether exactly this image is in its slot and can be started. */
  async #isWritten(image: UpgradeImage): Promise<boolean> {
    const slots = this.#slots();
    if (!isDeepStrictEqual((await this.#record())?.image, image)) return false;
    const slot = await slots.findWhole(image.id);
    return slot !== undefined && slot !== slots.running && isWhole(slots.folder(slot), image);
  }

  /** Restarts the device into an image that was written; `accepted` is called when nothing is in the way any more. */
  async start(id: string, accepted: () => void): Promise<void> {
    const slots = this.#slots();
    this.#expectIdle();
    const record = await this.#record();
    const slot = await slots.findWhole(id);
    if (record?.image.id !== id || slot === undefined)
      throw new StoreError('unknown', `the image ${id} is not on this device; send it first`);
    if (slot === slots.running) throw new StoreError('refused', `the image ${id} runs already`);
    this.#trying = true;
    try {
      await this.#note({ ...record, started: true });
      await slots.try(slot);
      accepted();
      await this.#options.reboot();
    } catch (error) {
      this.#trying = false;
      await slots.forgetTrial();
      throw error;
    }
  }

  /** The newest upgrade; undefined when there never was one. */
  async status(): Promise<UpgradeStatus | undefined> {
    const record = await this.#record();
    const { slots } = this.#options;
    if (!record || !slots) return undefined;
    const { id, name } = record.image;
    const slot = await slots.find(id);
    if (!record.started) return { id, name, state: 'written' };
    if (slot !== undefined && slot === (await slots.onTrial())) return { id, name, state: 'trying' };
    if (slot !== undefined && slot === (await slots.current())) return { id, name, state: 'kept' };
    return { id, name, state: 'failed', detail: (await slots.failure())?.words ?? 'the device started another image' };
  }

  /** Decides, in an image that was started for the first time, whether it stays. To be called when all was started. */
  async settle(): Promise<void> {
    const { slots, image, log } = this.#options;
    if (!slots || !this.#trying) return;
    try {
      await this.#allHealthy(AbortSignal.timeout(trialMs));
      await slots.keep(slots.running);
      this.#trying = false;
      log(`the image ${image.name} (${image.id}) is healthy: it starts at each boot from now on`);
    } catch (error) {
      log(`the new image is given up: ${messageOf(error)}; going back to the one before`);
      await slots.giveUp(slots.running, messageOf(error));
      await this.#options.reboot();
    }
  }

  async #allHealthy(signal: AbortSignal): Promise<void> {
    const { supervisor } = this.#options;
    const names = (await supervisor.status()).filter(({ kind }) => kind === 'service').map(({ name }) => name);
    await Promise.all(names.map((name) => supervisor.waitHealthy(name, signal)));
  }

  #slots(): Slots {
    const { slots, unable } = this.#options;
    const why = slots === undefined ? 'it was not started from an image of Gantry' : unable;
    if (slots === undefined || why !== undefined) throw new StoreError('refused', `this device takes no image: ${why}`);
    return slots;
  }

  #expectIdle(): void {
    if (this.#writing) throw new StoreError('refused', 'another image is being written to this device just now');
    if (this.#trying) throw new StoreError('refused', 'another image is being tried on this device just now');
    if (this.#options.swapping())
      throw new StoreError('refused', 'a swap is under way on this device; "gantry swap" follows it to its end');
  }

  async #record(): Promise<UpgradeRecord | undefined> {
    const text = await readIfThere(this.#path);
    if (text === undefined) return undefined;
    try {
      return recordSchema.parse(JSON.parse(text));
    } catch (error) {
      this.#options.log(
        `the note of the newest upgrade is damaged (${messageOf(error)}); kept as ${await setAside(this.#path)}`,
      );
      return undefined;
    }
  }

  async #note(record: UpgradeRecord): Promise<void> {
    await writeFileDurably(this.#path, JSON.stringify(record));
  }
}
