/**
 * What must be undone however a program ends. SIGINT and SIGTERM run it too; the last thing added is undone first.
 * What even SIGKILL must not leave behind has to be tied to this process by the kernel instead.
 */
export class AtEnd {
  readonly #tasks: (() => Promise<void> | void)[] = [];
  #ending: Promise<void> | undefined;

  constructor() {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => {
        process.stderr.write(`${signal}: ending what was started\n`);
        void this.run().finally(() => process.exit(code));
      });
    }
  }

  /** Returns how to do it now; it is then not done again. */
  add(task: () => Promise<void> | void): () => Promise<void> {
    let done: Promise<void> | undefined;
    const once = () => {
      done ??= (async () => task())();
      return done;
    };
    this.#tasks.push(once);
    return once;
  }

  /** Says what could not be undone, and goes on with the rest. */
  run(): Promise<void> {
    this.#ending ??= (async () => {
      for (let task = this.#tasks.pop(); task !== undefined; task = this.#tasks.pop()) {
        try {
          await task();
        } catch (error) {
          process.stderr.write(`${(error as Error).message}\n`);
        }
      }
    })();
    return this.#ending;
  }
}
