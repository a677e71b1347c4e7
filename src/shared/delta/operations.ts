import type { Digest } from '../oci/types.ts';
import { type ByteSource, bufferSource, readExactly, wholeOf } from './byte-source.ts';
import { DeltaError } from './errors.ts';
import { type BaseContent, DICTIONARY_BYTES, damaged, type Method } from './format.ts';
import { perform } from './perform.ts';
import type { RecipeContent } from './recipe.ts';

/** What operations read. */
export interface WhatIsHere {
  /** The whole difference, as it came. */
  delta: ByteSource;
  /** A content that is here. It is closed after use. */
  openContent(sha256: Digest): Promise<ByteSource | undefined>;
}

export interface PlannedOperation {
  method: Method;
  /** Where its data is in the difference. */
  position: number;
  /** Of all that it makes. */
  size: number;
  targets: number[];
}

/** Gives the contents of a recipe in its order: what is here from here, the rest as operations make it. */
export class Operations {
  readonly #options: WhatIsHere;
  readonly #bases: readonly RecipeContent[];
  readonly #operations: PlannedOperation[];
  /** Place in the recipe of the content that comes next. */
  #next = 0;
  /** Places of the contents that the present operation has still to make, its pieces, and what is left of the last of them. */
  #targets: number[] = [];
  #pieces: AsyncGenerator<Buffer> | undefined;
  #rest: Buffer = Buffer.alloc(0);

  constructor(options: WhatIsHere, bases: readonly RecipeContent[], operations: PlannedOperation[]) {
    this.#options = options;
    this.#bases = bases;
    this.#operations = operations;
  }

  /** To be called for each content, in order, and read to its end. */
  async *next({ sha256, path, size }: RecipeContent): AsyncGenerator<Buffer> {
    const place = this.#next++;
    if (this.#targets.length === 0) this.#begin();
    if (place === this.#targets[0]) {
      this.#targets.shift();
      yield* this.#made(size);
      return;
    }
    const source = await this.#open(sha256, size, `the content of ${JSON.stringify(path)}`);
    try {
      yield* wholeOf(source, `the content of ${JSON.stringify(path)}`);
    } finally {
      await source.close();
    }
  }

  async close(): Promise<void> {
    await this.#pieces?.return(undefined);
  }

  #begin(): void {
    const operation = this.#operations.shift();
    if (!operation) return;
    this.#targets = [...operation.targets];
    this.#pieces = this.#perform(operation);
    this.#rest = Buffer.alloc(0);
  }

  async *#made(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0; ) {
      if (this.#rest.length === 0) this.#rest = await this.#piece();
      const bytes = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(bytes.length);
      left -= bytes.length;
      yield bytes;
    }
    // Lets the operation look whether its data have ended too.
    if (this.#targets.length === 0 && (this.#rest.length > 0 || !(await this.#pieces?.next())?.done)) {
      throw damaged('an operation makes more than its contents');
    }
  }

  async #piece(): Promise<Buffer> {
    const next = await this.#pieces?.next();
    if (!next || next.done) throw damaged('an operation makes less than its contents');
    return next.value;
  }

  async #open(sha256: Digest, size: number | undefined, name: string): Promise<ByteSource> {
    const source = await this.#options.openContent(sha256);
    if (!source) throw new DeltaError('base', `${name}, ${sha256}, is not here`);
    if (size === undefined || source.size === size) return readableSource(source, name);
    await source.close();
    throw new DeltaError('base', `${name} has ${source.size} bytes here instead of ${size}`);
  }

  async *#perform({ method, position, size }: PlannedOperation): AsyncGenerator<Buffer> {
    const base = await this.#openBases('bases' in method ? method.bases : []);
    try {
      yield* perform(this.#options.delta, method, { base, position, size });
    } finally {
      await base.close();
    }
  }

  async #openBases(bases: readonly BaseContent[]): Promise<ByteSource> {
    const [only] = bases;
    if (only === undefined) return bufferSource(Buffer.alloc(0));
    return bases.length === 1 ? this.#openBase(only) : this.#readBases(bases);
  }

  /** Several are small, and may be thousands: more than a process may have open at a time. */
  async #readBases(bases: readonly BaseContent[]): Promise<ByteSource> {
    const contents: Buffer[] = [];
    let room = DICTIONARY_BYTES;
    for (const base of bases) {
      const source = await this.#openBase(base);
      try {
        room -= source.size;
        if (room < 0)
          throw damaged('an operation builds on several contents that are larger than they may be together');
        contents.push(await readExactly(source, 0, source.size, OLDER));
      } finally {
        await source.close();
      }
    }
    return bufferSource(Buffer.concat(contents));
  }

  async #openBase(base: BaseContent): Promise<ByteSource> {
    const known = typeof base === 'number' ? this.#bases[base] : undefined;
    const sha256 = typeof base === 'number' ? known?.sha256 : base;
    if (sha256 === undefined) throw damaged('it builds on a content that its base does not have');
    return this.#open(sha256, known?.size, OLDER);
  }
}

const OLDER = 'a content that the difference builds on';

/** What a damaged disk cannot read is as good as not there. */
function readableSource(source: ByteSource, name: string): ByteSource {
  return {
    size: source.size,
    async read(into, position) {
      try {
        return await source.read(into, position);
      } catch (error) {
        throw new DeltaError('base', `${name} cannot be read`, error);
      }
    },
    close: () => source.close(),
  };
}
