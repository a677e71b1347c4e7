import { glob, readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { TransportError } from '../transport.ts';

/** What a person named: a host or an alias of `~/.ssh/config`. */
export interface SshTarget {
  host: string;
  port?: number;
  user?: string;
}

export interface SshOptions {
  /** Only this key is offered, and the person's own ssh configuration is left out: for devices that we made ourselves. */
  identityFile?: string;
  /** The only file in which host keys are looked up and kept. */
  knownHostsFile?: string;
  /** Take and remember the key of a host that is not known yet. */
  acceptNewHostKey?: boolean;
  /** Asks a person about an unknown host; absent = there is nobody to ask. */
  confirmHostKey?: (question: HostKeyQuestion) => Promise<boolean>;
  /** Milliseconds from the first packet to a usable connection, without the time a person thinks. */
  connectTimeoutMs?: number;
  /** Socket of the ssh agent; default `SSH_AUTH_SOCK`. */
  agentSocket?: string;
  /** Default: the person's. */
  homeDir?: string;
  /** The API socket on the device: where to look, in this order; default: where Gantry and Docker have it. */
  apiSockets?: string[];
}

export interface HostKeyQuestion {
  host: string;
  /** `ssh-ed25519` */
  type: string;
  /** `SHA256:…` */
  fingerprint: string;
}

/** Everything that is needed to connect. */
export interface SshSettings {
  /** As the person named it. */
  name: string;
  host: string;
  port: number;
  user: string;
  /** What known_hosts calls the host. */
  hostKeyAlias?: string;
  /** Keys that were named; a missing one is worth a word. */
  identityFiles: string[];
  /** Keys that are tried if they exist. */
  defaultIdentityFiles: string[];
  identitiesOnly: boolean;
  agentSocket?: string;
  /** The first one is where new keys are kept. */
  knownHostsFiles: string[];
  hostKeys: 'ask' | 'strict' | 'accept-new';
  connectTimeoutMs: number;
}

const defaultTimeoutMs = 15_000;

/** Lays options over `~/.ssh/config` over ssh's defaults. */
export async function resolveSsh(target: SshTarget, options: SshOptions): Promise<SshSettings> {
  const home = options.homeDir ?? homedir();
  const own = options.identityFile !== undefined;
  const config = own ? new Config({}) : await readConfig(target, home);

  for (const name of ['ProxyJump', 'ProxyCommand']) {
    const value = config.text(name);
    if (value !== undefined && value !== 'none') {
      throw new TransportError(
        `~/.ssh/config wants ${name} for ${target.host}, which is not supported yet: ` +
          `forward a port with ssh -L and connect to that`,
        { retry: false },
      );
    }
  }

  const host = (config.text('HostName') ?? target.host).replaceAll('%h', target.host);
  const user = target.user ?? config.text('User') ?? userInfo().username;
  const port = target.port ?? config.number('Port') ?? 22;
  const path = (text: string) => expand(text, { home, host, user });
  const agentSocket = agentOf(config.text('IdentityAgent'), options, path);
  const alias = config.text('HostKeyAlias');
  return {
    name: target.host,
    host,
    port,
    user,
    ...(alias && { hostKeyAlias: alias }),
    identityFiles: options.identityFile ? [options.identityFile] : config.list('IdentityFile').map(path),
    defaultIdentityFiles: own ? [] : ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(home, '.ssh', name)),
    identitiesOnly: config.text('IdentitiesOnly') === 'yes',
    ...(agentSocket && !own && { agentSocket }),
    knownHostsFiles: options.knownHostsFile
      ? [options.knownHostsFile]
      : [
          ...config.words('UserKnownHostsFile', ['~/.ssh/known_hosts', '~/.ssh/known_hosts2']),
          ...config.words('GlobalKnownHostsFile', ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']),
        ]
          .filter((file) => file !== 'none')
          .map(path),
    hostKeys: options.acceptNewHostKey ? 'accept-new' : hostKeyPolicy(config.text('StrictHostKeyChecking')),
    connectTimeoutMs: options.connectTimeoutMs ?? (config.number('ConnectTimeout') ?? defaultTimeoutMs / 1000) * 1000,
  };
}

/** `no` and `off` mean `accept-new` here: a changed key is refused whatever the configuration says. */
function hostKeyPolicy(value: string | undefined): SshSettings['hostKeys'] {
  if (value === 'yes') return 'strict';
  return value === 'accept-new' || value === 'no' || value === 'off' ? 'accept-new' : 'ask';
}

function agentOf(
  configured: string | undefined,
  options: SshOptions,
  path: (text: string) => string,
): string | undefined {
  if (options.agentSocket !== undefined) return options.agentSocket;
  if (configured === 'none') return undefined;
  if (configured === undefined || configured === 'SSH_AUTH_SOCK') return process.env.SSH_AUTH_SOCK;
  return configured.startsWith('$') ? process.env[configured.slice(1)] : path(configured);
}

/** `~` and the percent tokens that make sense in file names. Source: ssh_config(5), "TOKENS". */
function expand(text: string, known: { home: string; host: string; user: string }): string {
  const tokens: Record<string, string> = {
    '%': '%',
    d: known.home,
    h: known.host,
    r: known.user,
    u: userInfo().username,
  };
  const path = text.replace(/^~(?=\/|$)/, known.home).replace(/%(.)/g, (all, token: string) => tokens[token] ?? all);
  return isAbsolute(path) ? path : join(known.home, path);
}

/** Typed view of what applies to one host. Names are compared without case, as ssh does. */
class Config {
  readonly #values: Record<string, string | string[]>;

  constructor(values: Record<string, string | string[]>) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values[name.toLowerCase()];
    return Array.isArray(value) ? value[0] : value;
  }

  number(name: string): number | undefined {
    const text = this.text(name);
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  }

  list(name: string): string[] {
    const value = this.#values[name.toLowerCase()];
    return value === undefined ? [] : Array.isArray(value) ? value : [value];
  }

  words(name: string, fallback: string[]): string[] {
    const words = this.list(name)
      .flatMap((value) => value.split(/\s+/))
      .filter((word) => word !== '');
    return words.length > 0 ? words : fallback;
  }
}

async function readConfig(target: SshTarget, home: string): Promise<Config> {
  const userFile = join(home, '.ssh', 'config');
  const user = await readIncluding(userFile, join(home, '.ssh'), home, 0);
  const system = await readIncluding('/etc/ssh/ssh_config', '/etc/ssh', home, 0);
  if (user === '' && system === '') return new Config({});
  const { default: SshConfig } = await import('ssh-config');
  try {
    // The first value wins: the person's file goes first, and `Match all` ends its last block.
    const parsed = SshConfig.parse(`${user}\nMatch all\n${system}`);
    const computed = parsed.compute(
      { Host: target.host, ...(target.user && { User: target.user }) },
      { ignoreCase: true },
    );
    return new Config(computed as Record<string, string | string[]>);
  } catch (cause) {
    throw new TransportError(`${userFile} cannot be read: ${(cause as Error).message}`, { retry: false, cause });
  }
}

/** The text of a configuration file with its `Include` lines replaced by what they name. */
async function readIncluding(file: string, base: string, home: string, depth: number): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES') return '';
    throw new TransportError(`${file} cannot be read: ${message}`, { retry: false, cause: error });
  }
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    const include = /^\s*include[\s=]+(.+?)\s*$/i.exec(line);
    if (!include?.[1]) {
      lines.push(line);
      continue;
    }
    // OpenSSH's own limit: a file that includes itself must end somewhere.
    if (depth >= 16) throw new TransportError(`${file}: Include is nested more than 16 deep`, { retry: false });
    for (const pattern of include[1].split(/\s+/).map((word) => word.replace(/^"|"$/g, ''))) {
      const path = pattern.replace(/^~(?=\/)/, home);
      const matches: string[] = [];
      for await (const match of glob(isAbsolute(path) ? path : join(base, path))) matches.push(match);
      for (const match of matches.sort()) lines.push(await readIncluding(match, base, home, depth + 1));
    }
  }
  return lines.join('\n');
}
