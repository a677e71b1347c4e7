import { readFile } from 'node:fs/promises';
import type { AnyAuthMethod, OpenSSHAgent, ParsedKey } from 'ssh2';
import { TransportError } from '../transport.ts';
import type { SshSettings } from './config.ts';

type Ssh2 = typeof import('ssh2');

export interface Credentials {
  methods: AnyAuthMethod[];
  /** For people, in the order in which they are offered: `2 keys of the agent`, `~/.ssh/id_ed25519`. */
  offered: string[];
  /** Keys that could not be offered, and why. */
  unusable: string[];
}

interface KeyFile {
  file: string;
  /** Absent when only the public half could be read. */
  key?: ParsedKey;
  publicKey?: Buffer;
  problem?: string;
}

/**
 * What to offer to a device: the agent's keys (those named in the configuration first: servers count attempts), then
 * the named key files, then the default ones. Rejects when there is nothing to offer, saying why.
 */
export async function gatherCredentials(ssh2: Ssh2, settings: SshSettings): Promise<Credentials> {
  const named = await Promise.all(settings.identityFiles.map((file) => readKey(ssh2, file, true)));
  const defaults =
    named.length > 0 ? [] : await Promise.all(settings.defaultIdentityFiles.map((file) => readKey(ssh2, file, false)));
  const files = [...named, ...defaults].filter((file) => file !== undefined);
  const methods: AnyAuthMethod[] = [];
  const offered: string[] = [];
  const unusable: string[] = [];
  const username = settings.user;

  const agent = await agentKeys(ssh2, settings, files, unusable);
  if (agent && agent.keys.length > 0) {
    const { keys } = agent;
    // ssh2 insists on an instance of its own class: show only what we chose, in our order, through this one.
    agent.agent.getIdentities = (callback) => callback(undefined, keys);
    methods.push({ type: 'agent', username, agent: agent.agent });
    offered.push(agent.keys.length === 1 ? '1 key of the agent' : `${agent.keys.length} keys of the agent`);
  }
  const inAgent = new Set(agent?.keys.map((key) => key.getPublicSSH().toString('base64')));
  for (const { file, key, publicKey, problem } of files) {
    if (publicKey && inAgent.has(publicKey.toString('base64'))) continue;
    if (key) {
      methods.push({ type: 'publickey', username, key });
      offered.push(file);
    } else if (problem) {
      unusable.push(problem);
    }
  }
  if (methods.length === 0) throw new TransportError(nothingToOffer(settings, unusable), { retry: false });
  return { methods, offered, unusable };
}

function nothingToOffer(settings: SshSettings, unusable: string[]): string {
  const why = unusable.length > 0 ? unusable.join('; ') : 'there is no ssh agent and no key file';
  const next = unusable.some((text) => text.includes('passphrase'))
    ? 'Load it into an agent with ssh-add'
    : 'Make a key with ssh-keygen and put its public half on the device';
  return `no key to log in to ${settings.user}@${settings.host} with: ${why}. ${next}`;
}

/** Reads a private key. A named file that is missing is a problem; a default one is not. */
async function readKey(ssh2: Ssh2, file: string, named: boolean): Promise<KeyFile | undefined> {
  let text: Buffer;
  try {
    text = await readFile(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !named) return undefined;
    return { file, problem: code === 'ENOENT' ? `${file} does not exist` : `${file} cannot be read: ${message}` };
  }
  const key = firstKey(ssh2.utils.parseKey(text));
  if (!(key instanceof Error) && key.isPrivateKey()) return { file, key, publicKey: key.getPublicSSH() };
  const publicKey = await readPublicHalf(ssh2, key instanceof Error ? `${file}.pub` : file);
  const problem =
    key instanceof Error && /encrypted/i.test(key.message)
      ? `${file} is protected by a passphrase and no agent holds it`
      : `${file} is no private key${key instanceof Error ? `: ${key.message}` : ''}`;
  return { file, problem, ...(publicKey && { publicKey }) };
}

async function readPublicHalf(ssh2: Ssh2, file: string): Promise<Buffer | undefined> {
  try {
    const key = firstKey(ssh2.utils.parseKey(await readFile(file)));
    return key instanceof Error ? undefined : key.getPublicSSH();
  } catch {
    return undefined;
  }
}

/** Some formats hold several keys; ours hold one. */
function firstKey(parsed: ParsedKey | Error | ParsedKey[]): ParsedKey | Error {
  return Array.isArray(parsed) ? (parsed[0] ?? new Error('it is empty')) : parsed;
}

async function agentKeys(
  ssh2: Ssh2,
  settings: SshSettings,
  files: KeyFile[],
  unusable: string[],
): Promise<{ agent: OpenSSHAgent; keys: ParsedKey[] } | undefined> {
  if (!settings.agentSocket) return undefined;
  const agent = new ssh2.OpenSSHAgent(settings.agentSocket);
  const held = await new Promise<ParsedKey[]>((resolve) => {
    agent.getIdentities((error, keys) => {
      if (error) unusable.push(`the ssh agent (${settings.agentSocket}) does not answer: ${error.message}`);
      // This class gives parsed keys; its type says less.
      resolve((keys ?? []) as ParsedKey[]);
    });
  });
  const named = new Set(files.flatMap((file) => (file.publicKey ? [file.publicKey.toString('base64')] : [])));
  const isNamed = (key: ParsedKey) => named.has(key.getPublicSSH().toString('base64'));
  const first = held.filter(isNamed);
  return { agent, keys: settings.identitiesOnly ? first : [...first, ...held.filter((key) => !isNamed(key))] };
}
