import { TransportError } from '../transport.ts';
import type { SshOptions, SshSettings } from './config.ts';
import { addKnownHost, checkHostKey, fingerprint, hostId, type KnownHost, keyType, knownTypes } from './known-hosts.ts';

/** Host key algorithms that we accept, best first. SHA-1 signatures are not among them. */
const algorithms: Record<string, string[]> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Decides about the key that a device shows. */
export class HostKeyCheck {
  readonly #settings: SshSettings;
  readonly #options: SshOptions;
  readonly #entries: KnownHost[];
  readonly #id: string;

  constructor(settings: SshSettings, options: SshOptions, entries: KnownHost[]) {
    this.#settings = settings;
    this.#options = options;
    this.#entries = entries;
    this.#id = settings.hostKeyAlias?.toLowerCase() ?? hostId(settings.host, settings.port);
  }

  /** What to negotiate: the types that are known already first, or a known host would look like a changed one. */
  get serverHostKey(): string[] {
    const types = [...new Set([...knownTypes(this.#entries, this.#id), ...Object.keys(algorithms)])];
    return types.flatMap((type) => algorithms[type] ?? []);
  }

  /** Resolves when the key is trusted; else rejects with what a person has to know. Asks them only if there is one. */
  async verify(key: Buffer): Promise<void> {
    const verdict = checkHostKey(this.#entries, this.#id, key);
    const shown = `${keyType(key)} ${fingerprint(key)}`;
    switch (verdict.state) {
      case 'known':
        return;
      case 'revoked':
        throw new TransportError(
          `the key of ${this.#id} (${shown}) is revoked by ${verdict.entry.file}:${verdict.entry.line}: ` +
            'do not trust this device until it has a new key',
          { retry: false },
        );
      case 'changed':
        throw new TransportError(
          `the key of ${this.#id} has CHANGED: it shows ${shown}, but ${verdict.entry.file}:${verdict.entry.line} says ` +
            `${verdict.entry.type} ${fingerprint(verdict.entry.key)}. Someone may be in between, or the device was ` +
            `made anew. If you know why: ssh-keygen -R '${this.#id}' -f '${verdict.entry.file}', then connect again`,
          { retry: false },
        );
      case 'unknown':
        if (!(await this.#mayAccept(key))) {
          throw new TransportError(`the key of ${this.#id} (${shown}) was not accepted`, { retry: false });
        }
        await this.#remember(key);
    }
  }

  async #mayAccept(key: Buffer): Promise<boolean> {
    const { hostKeys } = this.#settings;
    if (hostKeys === 'accept-new') return true;
    const type = keyType(key);
    const confirm = this.#options.confirmHostKey;
    if (hostKeys === 'ask' && confirm) return confirm({ host: this.#id, type, fingerprint: fingerprint(key) });
    const why = hostKeys === 'strict' ? ' and ~/.ssh/config says StrictHostKeyChecking yes' : '';
    throw new TransportError(
      `${this.#id} is not known${why}: it shows ${type} ${fingerprint(key)}. Compare that with the device's own ` +
        '(ssh-keygen -lf on its host key); to take it, run the command again with --accept-new-host-key',
      { retry: false },
    );
  }

  async #remember(key: Buffer): Promise<void> {
    const [file] = this.#settings.knownHostsFiles;
    if (file === undefined) return;
    await addKnownHost(file, this.#id, key);
    this.#entries.push({ file, line: 0, patterns: this.#id, type: keyType(key), key });
  }
}
