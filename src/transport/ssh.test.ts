import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SshOptions } from './ssh/config.ts';
import { fingerprint } from './ssh/known-hosts.ts';
import { addCommand, makeKey, startSshd, type TestSshd } from './ssh/sshd.testing.ts';
import { SshTransport } from './ssh.ts';
import { TransportError } from './transport.ts';

let sshd: TestSshd;
let api: Server;
let home: string;
const open: SshTransport[] = [];

/** Says each line back, upper case, and says "bye" once the other side has ended: half-close both ways. */
function shout(client: Socket): void {
  client.on('data', (data: Buffer) => client.write(data.toString().toUpperCase()));
  client.on('end', () => client.end('bye'));
  client.on('error', () => undefined);
}

beforeAll(async () => {
  sshd = await startSshd();
  api = createServer({ allowHalfOpen: true }, shout).listen(sshd.apiSocket);
  await once(api, 'listening');
});

afterAll(async () => {
  api.close();
  await sshd.stop();
});

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gantry-home-'));
  mkdirSync(join(home, '.ssh'));
});

afterEach(async () => {
  for (const transport of open.splice(0)) await transport.close();
  rmSync(home, { recursive: true, force: true });
});

function make(options: SshOptions = {}, target: { host?: string; port?: number; user?: string } = {}): SshTransport {
  const transport = new SshTransport(
    { host: '127.0.0.1', port: sshd.port, user: sshd.user, ...target },
    { homeDir: home, agentSocket: '', apiSockets: [sshd.apiSocket], ...options },
  );
  open.push(transport);
  return transport;
}

/** With the key that may log in, and the host key known. */
function makeKnown(options: SshOptions = {}): SshTransport {
  const knownHostsFile = join(home, 'known');
  writeFileSync(knownHostsFile, `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`);
  return make({ identityFile: sshd.identityFile, knownHostsFile, ...options });
}

async function refusal(transport: SshTransport): Promise<TransportError> {
  const error = await transport.open().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TransportError)) throw new Error(`expected a TransportError, got ${error}`);
  return error;
}

async function talk(stream: Duplex): Promise<string> {
  stream.end('hello ');
  return text(stream);
}

describe('streams', () => {
  it('opens several channels over one connection, with half-close both ways', async () => {
    const transport = makeKnown();
    const streams = await Promise.all([transport.open(), transport.open(), transport.open()]);
    expect(await Promise.all(streams.map(talk))).toEqual(['HELLO bye', 'HELLO bye', 'HELLO bye']);
  });

  it('carries more than a window of data both ways, unharmed', async () => {
    const stream = await makeKnown().open();
    const sent = 'x'.repeat(6 << 20);
    const received = text(stream);
    stream.end(sent);
    const answer = await received;
    expect(answer.length).toBe(sent.length + 3);
    expect(answer.endsWith('Xbye')).toBe(true);
  });

  it('destroys every stream and tells when the connection is lost, and connects again', async () => {
    const transport = makeKnown();
    const reasons: string[] = [];
    transport.onLost((reason) => reasons.push(reason));
    const stream = await transport.open();
    const failed = once(stream, 'error');
    sshd.killSessions();
    const [error] = (await failed) as [TransportError];
    expect(error).toBeInstanceOf(TransportError);
    expect(error.retry).toBe(true);
    // Whether a killed server's end arrives as an end or as a reset is the kernel's choice.
    expect(reasons).toEqual([
      expect.stringMatching(/^ssh \S+@127\.0\.0\.1:\d+: (the connection was closed|read ECONNRESET)$/),
    ]);
    expect(await talk(await transport.open())).toBe('HELLO bye');
  });

  it('says that the API does not answer when only its socket is missing, and that later may help', async () => {
    const error = await refusal(makeKnown({ apiSockets: [join(sshd.dir, 'no.sock')] }));
    expect(error.message).toMatch(/answers, but its API socket .*no\.sock does not/);
    expect(error.retry).toBe(true);
  });

  it('refuses to open after close', async () => {
    const transport = makeKnown();
    await transport.open();
    await transport.close();
    expect((await refusal(transport)).retry).toBe(false);
  });
});

describe('where several API sockets may be', () => {
  it('takes the first that answers, and then only that one', async () => {
    const [gone, gantry] = [join(sshd.dir, 'gone.sock'), join(sshd.dir, 'gantry.sock')];
    const server = createServer((client) => client.resume().end('gantry')).listen(gantry);
    await once(server, 'listening');
    const transport = makeKnown({ apiSockets: [gone, gantry, sshd.apiSocket] });
    expect(await talk(await transport.open())).toBe('gantry');
    server.close();
    await once(server, 'close');
    expect((await refusal(transport)).message).toContain(gantry);
  });
});

describe('without stream-local forwarding', () => {
  let strict: TestSshd;

  beforeAll(async () => {
    strict = await startSshd(['AllowStreamLocalForwarding no']);
  });
  afterAll(() => strict.stop());

  function makeStrict(): SshTransport {
    const knownHostsFile = join(home, 'known');
    const options = { identityFile: strict.identityFile, knownHostsFile, acceptNewHostKey: true };
    return make(options, { port: strict.port });
  }

  it('explains a device that has no relay either', async () => {
    // As a shell answers where there is none; this machine may have a real one further on in PATH.
    addCommand(strict, 'docker', '#!/bin/sh\necho "sh: docker: not found" >&2\nexit 127\n');
    const error = await refusal(makeStrict());
    expect(error.message).toMatch(
      /API socket .* does not \(open failed; "docker system dial-stdio" there ended with 127: .*docker/,
    );
    expect(error.message).toContain('does its sshd allow stream-local forwarding?');
  });

  it('falls back to docker system dial-stdio', async () => {
    const relay = `const s = require('net').connect({ path: ${JSON.stringify(sshd.apiSocket)}, allowHalfOpen: true });
process.stdin.pipe(s); s.pipe(process.stdout);`;
    addCommand(
      strict,
      'docker',
      `#!/bin/sh\n[ "$*" = "system dial-stdio" ] || exit 9\nexec ${process.execPath} -e "${relay.replaceAll('"', '\\"')}"\n`,
    );
    const transport = makeStrict();
    expect(await talk(await transport.open())).toBe('HELLO bye');
    expect(await Promise.all([transport.open(), transport.open()].map(async (one) => talk(await one)))).toEqual([
      'HELLO bye',
      'HELLO bye',
    ]);
  });
});

describe('host keys', () => {
  const id = () => `[127.0.0.1]:${sshd.port}`;
  const known = () => join(home, '.ssh', 'known_hosts');
  const shown = () => fingerprint(Buffer.from(sshd.hostKey.split(' ')[1] ?? '', 'base64'));

  beforeEach(() => {
    writeFileSync(join(home, '.ssh', 'id_ed25519'), readFileSync(sshd.identityFile), { mode: 0o600 });
  });

  it('refuses an unknown host without a person, naming its fingerprint and the way to take it', async () => {
    const error = await refusal(make());
    expect(error.message).toContain(shown());
    expect(error.message).toContain('--accept-new-host-key');
    expect(error.retry).toBe(false);
  });

  it('asks a person, and remembers their yes', async () => {
    const questions: unknown[] = [];
    const confirmHostKey = async (question: unknown) => {
      questions.push(question);
      return true;
    };
    expect(await talk(await make({ confirmHostKey }).open())).toBe('HELLO bye');
    expect(questions).toEqual([{ host: id(), type: 'ssh-ed25519', fingerprint: shown() }]);
    expect(readFileSync(known(), 'utf8')).toBe(`${id()} ${sshd.hostKey}\n`);
    await make({ confirmHostKey }).open();
    expect(questions).toHaveLength(1);
  });

  it('takes their no for a no', async () => {
    const error = await refusal(make({ confirmHostKey: async () => false }));
    expect(error.message).toMatch(/was not accepted/);
    expect(error.retry).toBe(false);
  });

  it('takes a new key when told to, and keeps what the file had', async () => {
    writeFileSync(known(), '# mine');
    await make({ acceptNewHostKey: true }).open();
    expect(readFileSync(known(), 'utf8')).toBe(`# mine\n${id()} ${sshd.hostKey}\n`);
  });

  it('refuses a changed key even then, with file and line', async () => {
    makeKey(join(home, 'other'), 'ed25519');
    const other = readFileSync(join(home, 'other.pub'), 'utf8');
    writeFileSync(known(), `# comment\n${id()} ${other}`);
    const error = await refusal(make({ acceptNewHostKey: true }));
    expect(error.message).toContain('CHANGED');
    expect(error.message).toContain(`${known()}:2`);
    expect(error.message).toContain('ssh-keygen -R');
    expect(error.retry).toBe(false);
  });

  it('refuses a host whose key is known but of another type', async () => {
    makeKey(join(home, 'other'), 'ecdsa');
    writeFileSync(known(), `${id()} ${readFileSync(join(home, 'other.pub'), 'utf8')}`);
    expect((await refusal(make({ acceptNewHostKey: true }))).message).toContain('CHANGED');
  });

  it('knows names that ssh-keygen has hashed', async () => {
    writeFileSync(known(), `${id()} ${sshd.hostKey}\n`);
    execFileSync('ssh-keygen', ['-H', '-f', known()], { stdio: 'ignore' });
    expect(readFileSync(known(), 'utf8')).toMatch(/^\|1\|/);
    expect(await talk(await make().open())).toBe('HELLO bye');
  });

  it('refuses a revoked key', async () => {
    writeFileSync(known(), `${id()} ${sshd.hostKey}\n@revoked * ${sshd.hostKey}\n`);
    expect((await refusal(make())).message).toContain(`revoked by ${known()}:2`);
  });
});

describe('logging in', () => {
  it('uses the alias, port, user, key and host file of ~/.ssh/config, included files too', async () => {
    writeFileSync(join(home, 'hosts'), `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`);
    writeFileSync(
      join(home, '.ssh', 'config'),
      `Include boards/*\nHost *\n  UserKnownHostsFile ${join(home, 'hosts')}\n  User nobody\n`,
    );
    mkdirSync(join(home, '.ssh', 'boards'));
    writeFileSync(
      join(home, '.ssh', 'boards', 'a'),
      `Host bench\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  User ${sshd.user}\n  IdentityFile ~/%r-key\n`,
    );
    writeFileSync(join(home, `${sshd.user}-key`), readFileSync(sshd.identityFile), { mode: 0o600 });
    const transport = make({}, { host: 'bench', port: undefined, user: undefined });
    expect(await talk(await transport.open())).toBe('HELLO bye');
  });

  it('says that ProxyJump is not supported', async () => {
    writeFileSync(join(home, '.ssh', 'config'), 'Host 127.0.0.1\n  ProxyJump bastion\n');
    const error = await refusal(make());
    expect(error.message).toMatch(/ProxyJump for 127\.0\.0\.1, which is not supported yet/);
    expect(error.retry).toBe(false);
  });

  it('says that there is no key at all', async () => {
    expect((await refusal(make())).message).toMatch(/there is no ssh agent and no key file.*ssh-keygen/);
  });

  it('says which key needs a passphrase', async () => {
    makeKey(join(home, '.ssh', 'id_ed25519'), 'ed25519', 'secret');
    const { message } = await refusal(make());
    expect(message).toMatch(/id_ed25519 is protected by a passphrase and no agent holds it.*ssh-add/);
  });

  it('says which keys were refused', async () => {
    makeKey(join(home, '.ssh', 'id_ed25519'), 'ed25519');
    const error = await refusal(make({ acceptNewHostKey: true }));
    expect(error.message).toMatch(/refused every key: .*id_ed25519/);
    expect(error.retry).toBe(false);
  });

  it('finds the right one of many keys in an agent before the server loses patience', async () => {
    const agent = await startAgent();
    try {
      for (let i = 0; i < 8; i++) {
        makeKey(join(home, `k${i}`), 'ed25519');
        agent.add(join(home, `k${i}`));
      }
      agent.add(sshd.identityFile);
      // Only the public half is here: the agent has the private one.
      writeFileSync(join(home, '.ssh', 'id_ed25519.pub'), readFileSync(`${sshd.identityFile}.pub`));
      makeKey(join(home, 'x'), 'ed25519', 'secret');
      writeFileSync(join(home, '.ssh', 'id_ed25519'), readFileSync(join(home, 'x')), { mode: 0o600 });
      const transport = make({ agentSocket: agent.socket, acceptNewHostKey: true });
      expect(await talk(await transport.open())).toBe('HELLO bye');
    } finally {
      agent.stop();
    }
  });
});

describe('unreachable hosts', () => {
  it('refused connections may be tried again', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const error = await refusal(make({ identityFile: sshd.identityFile }, { port: 1 }));
    // A time limit that went on would keep the process from ending. Those of others come and go.
    await vi.waitFor(() => expect(timers()).toBeLessThanOrEqual(before), { timeout: 5000 });
    expect(error.message).toMatch(/127\.0\.0\.1:1 refuses connections/);
    expect(error.retry).toBe(true);
  });

  it('what takes a connection and says nothing runs into the time limit', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const error = await refusal(make({ identityFile: sshd.identityFile, connectTimeoutMs: 300 }, { port }));
    silent.close();
    expect(error.message).toMatch(/did not finish the SSH handshake within 0\.3 s/);
    expect(error.retry).toBe(true);
  });

  it('what takes a connection and drops it may be tried again: a device that boots does that', async () => {
    const dropping = createServer((client) => client.destroy()).listen(0, '127.0.0.1');
    await once(dropping, 'listening');
    const address = dropping.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const error = await refusal(make({ identityFile: sshd.identityFile }, { port }));
    dropping.close();
    expect(error.message).toMatch(/SSH handshake/);
    expect(error.retry).toBe(true);
  });

  it('what is no SSH server is named as such', async () => {
    const web = createServer((client) => client.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    const address = web.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const error = await refusal(make({ identityFile: sshd.identityFile }, { port }));
    web.close();
    expect(error.message).toMatch(/SSH handshake/);
  });
});

async function startAgent(): Promise<{ socket: string; add(file: string): void; stop(): void }> {
  const socket = join(home, 'agent.sock');
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(agent.stdout, 'data');
  return {
    socket,
    add: (file) =>
      execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' }),
    stop: () => agent.kill(),
  };
}
