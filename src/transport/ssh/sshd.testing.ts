import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

const sshdPath = '/usr/sbin/sshd';

export interface TestSshd {
  port: number;
  user: string;
  /** A folder of its own: home directory for the client, keys, sockets. */
  dir: string;
  /** A private key that may log in. */
  identityFile: string;
  /** Where a server for the "API socket" may listen. */
  apiSocket: string;
  /** `ssh-ed25519 AAAA…` */
  hostKey: string;
  /** Ends every session, as a power cut would. */
  killSessions(): void;
  stop(): Promise<void>;
}

/** OpenSSH's own sshd on the loopback interface, with keys and files of its own. Needs the package openssh-server. */
export async function startSshd(extra: string[] = []): Promise<TestSshd> {
  if (!existsSync(sshdPath)) throw new Error(`these tests need ${sshdPath}: apt-get install openssh-server`);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const dir = mkdtempSync(join(tmpdir(), 'gantry-sshd-'));
  makeKey(join(dir, 'host'), 'ed25519');
  makeKey(join(dir, 'id'), 'ed25519');
  writeFileSync(join(dir, 'authorized_keys'), readFileSync(join(dir, 'id.pub')));
  const port = await freePort();
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  const config = [
    'ListenAddress 127.0.0.1',
    `Port ${port}`,
    `HostKey ${join(dir, 'host')}`,
    `AuthorizedKeysFile ${join(dir, 'authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    `PidFile ${join(dir, 'pid')}`,
    `SetEnv PATH=${bin}:/usr/bin:/bin`,
    ...extra,
  ];
  writeFileSync(join(dir, 'sshd_config'), `${config.join('\n')}\n`);
  const sshd = spawn(sshdPath, ['-D', '-e', '-f', join(dir, 'sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  sshd.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await untilListening(port, sshd, () => said);
  return {
    port,
    user: userInfo().username,
    dir,
    identityFile: join(dir, 'id'),
    apiSocket: join(dir, 'api.sock'),
    hostKey: readFileSync(join(dir, 'host.pub'), 'utf8').split(' ').slice(0, 2).join(' '),
    killSessions: () => {
      for (const pid of descendants(Number(sshd.pid))) process.kill(pid, 'SIGKILL');
    },
    stop: async () => {
      for (const pid of descendants(Number(sshd.pid))) process.kill(pid, 'SIGKILL');
      const ended = once(sshd, 'exit');
      sshd.kill();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Makes a key pair without a passphrase, or with one. */
export function makeKey(file: string, type: 'ed25519' | 'ecdsa' | 'rsa', passphrase = ''): void {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-C', 'test', '-f', file]);
}

/** Puts an executable into the PATH that commands over this sshd have. */
export function addCommand(sshd: TestSshd, name: string, script: string): void {
  const file = join(sshd.dir, 'bin', name);
  writeFileSync(file, script);
  chmodSync(file, 0o755);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function untilListening(port: number, sshd: ChildProcess, said: () => string): Promise<void> {
  for (;;) {
    if (sshd.exitCode !== null) throw new Error(`sshd ended with ${sshd.exitCode}: ${said()}`);
    const probe = connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(probe, 'connect').then(() => true),
      once(probe, 'error').then(() => false),
    ]).catch(() => false);
    probe.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
    return children.flatMap((child) => [...descendants(child), child]);
  } catch {
    return [];
  }
}
