import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Access } from '../../src/shared/definition/access.ts';

/**
 * Who is logged in on the serial console: each of its shells has a file of its own, which is there once the person has given
 * the password (see boot/console), until the shell ends.
 */
export class LoggedIn {
  readonly #folder: string;
  readonly #access: Access;
  #next = 1;

  /** `folder`: on a file system that does not outlive a boot. What a killed process left there is removed. */
  constructor(folder: string, access: Access) {
    this.#folder = folder;
    this.#access = access;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** The file of a new shell. */
  file(): string {
    return join(this.#folder, String(this.#next++));
  }

  ended(file: string): void {
    rmSync(file, { force: true });
  }

  /** Why a host may not use the API over the line now; undefined when it may. */
  whyNoApi(): string | undefined {
    if (this.#access.console !== 'password') return undefined;
    if (existsSync(this.#folder) && readdirSync(this.#folder).length > 0) return undefined;
    return 'this console asks for a password: log in with "gantry console" or a terminal program, and stay logged in';
  }
}
