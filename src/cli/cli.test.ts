import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { spawn as spawnPty } from '@lydell/node-pty';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { frame } from '../../init-container/api/frames.ts';
import { readJson, sendEmpty, sendJson, startJsonStream } from '../../init-container/api/respond.ts';
import { HttpError, type Route } from '../../init-container/api/router.ts';
import { jsonRoute, TestDevice, TestExecs, testComponent, testInfo } from '../device/api-server.testing.ts';
import { makeImage, writeLayout } from '../device/image-source/images.testing.ts';
import { type SwapStage, swapPlanRequestSchema } from '../shared/api/types.ts';
import { digestOf } from '../shared/oci/digest.ts';

const program = join(import.meta.dirname, 'gantry.ts');
const execs = new TestExecs();
const image = makeImage('web:2');
let dir: string;
let server: TestDevice;
let device: string;
let env: NodeJS.ProcessEnv;
/** How the next swap goes; `undefined` ends the list without an end: it goes on for ever. */
let stages: SwapStage[];
let endless: boolean;
let restarted: string[];
let gcRequests: unknown[];
let garbage: { kind: string; name: string; bytes: number }[];

const components = [
  testComponent('web', { memoryBytes: 5e6, restarts: 2, cpu: { usageNs: 1e9, atNs: 2e9 } }),
  testComponent('sysctl', { kind: 'onboot', state: 'exited', exitCode: 0, health: 'none' }),
  testComponent('kernel', { kind: 'kernel', id: undefined, health: 'none' }),
];

const spec = { kind: 'service', image: { ref: 'web:1', digest: digestOf('web:1') }, order: 0 };
const revision = {
  schema: 1,
  components: { web: { ...spec, config: { env: ['A=1'] } }, app: { ...spec, config: {} } },
};
const plan = {
  base: 1,
  changes: [{ name: 'web', from: 'web:1', to: 'web:2', strategy: 'overlap', fields: ['env'] }],
  steps: [
    { action: 'start-beside', component: 'web', text: 'start the new web beside the old' },
    { action: 'commit', text: 'put the new revision in force' },
  ],
  restarts: ['web'],
  send: [{ ref: 'web:2', bytes: 1_200_000, layers: 2 }],
  frees: {
    items: [
      { kind: 'revision', name: '1', bytes: 1000 },
      { kind: 'layer', name: 'a', bytes: 2_000_000 },
      { kind: 'layer', name: 'b', bytes: 3_000_000 },
    ],
    bytes: 5_001_000,
  },
  refused: 'web:2 was rolled back at noon: HTTP 500',
};
/** Plans that were asked for. */
let asked: unknown[];

const swapStream: Route['handler'] = ({ response }) => {
  const write = startJsonStream(response);
  stages.forEach((stage, index) => {
    write({ stage, component: 'web', at: new Date(1e12 + index).toISOString(), message: `${stage} it`, revision: 4 });
  });
  if (!endless) response.end();
};

const routes: Route[] = [
  ...execs.routes,
  jsonRoute('GET', '/gantry/v1/device', () => ({
    ...testInfo,
    storage: {
      totalBytes: 250e6,
      freeBytes: 100e6,
      reclaimableBytes: 12.3e6,
      quarantinedBytes: 4e3,
      damage: 'revision 2 is damaged on the disk',
    },
  })),
  {
    method: 'POST',
    pattern: '/gantry/v1/gc',
    handler: async ({ request, response }) => {
      gcRequests.push(await json(request));
      sendJson(response, 200, { items: garbage, bytes: garbage.reduce((sum, { bytes }) => sum + bytes, 0) });
    },
  },
  jsonRoute('GET', '/gantry/v1/components', () => components),
  jsonRoute('GET', `/gantry/v1/revisions/${testInfo.revision.number}`, () => revision),
  {
    method: 'POST',
    pattern: '/gantry/v1/swap/plan',
    handler: async ({ request, response }) => {
      asked.push(await readJson(request, swapPlanRequestSchema));
      sendJson(response, 200, plan);
    },
  },
  jsonRoute('GET', '/gantry/v1/upgrade', () => ({ id: 'abcdef01', name: 'demo2', state: 'trying', more: 1 })),
  jsonRoute('GET', '/gantry/v1/upgrade/bases', () => ({
    written: false,
    files: [{ name: 'root.img', size: 4096, digest: `sha256:${'1'.repeat(64)}` }],
  })),
  jsonRoute('POST', '/gantry/v1/images', () => ({ digest: image.manifest.digest, missing: [] })),
  { method: 'POST', pattern: '/gantry/v1/swap', handler: swapStream },
  { method: 'POST', pattern: '/gantry/v1/rollback', handler: swapStream },
  {
    method: 'GET',
    pattern: '/gantry/v1/swap',
    handler: () => {
      throw new HttpError(404, 'nothing was swapped on this device yet');
    },
  },
  jsonRoute('GET', '/gantry/v1/revisions', () => ({
    current: 1,
    revisions: [
      {
        number: 1,
        digest: digestOf('1'),
        createdAt: '2030-01-01T00:00:00Z',
        state: 'current',
        factory: false,
        reason: 'swap web',
        changes: [{ name: 'web', from: 'web:1', to: 'web:2' }],
      },
      {
        number: 0,
        digest: digestOf('0'),
        createdAt: '2030-01-01T00:00:00Z',
        state: 'refused',
        factory: false,
        reason: 'swap web',
        changes: [{ name: 'web', from: 'web:1', to: 'web:1', fields: ['env'] }],
        failure: 'it ended with exit code 1',
      },
    ],
  })),
  jsonRoute('GET', '/containers/web/json', () => ({ Name: '/web', Config: { Env: ['A=1'] } })),
  {
    method: 'GET',
    pattern: '/gantry/v1/logs/web',
    handler: ({ response, query }) => {
      response.writeHead(200, { 'Content-Type': 'application/vnd.docker.multiplexed-stream' });
      response.write(frame(1, Buffer.from('to \x1b[1mstdout\x1b[0m\n')));
      response.write(frame(2, Buffer.from('to stderr\n')));
      if (query.get('follow') !== '1') response.end();
    },
  },
  {
    method: 'POST',
    pattern: '/containers/{id}/restart',
    handler: ({ params, response }) => {
      if (params.id !== 'web') throw new HttpError(404, `No such container: ${params.id}`);
      restarted.push(params.id);
      sendEmpty(response);
    },
  },
  { method: 'GET', pattern: '/_ping', handler: ({ response }) => sendJson(response, 200, 'OK') },
];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-cli-'));
  writeLayout(join(dir, 'image'), [image]);
  server = await new TestDevice(routes, execs.upgrades).start();
  device = `unix:${server.path}`;
  const { PATH } = process.env;
  env = { PATH, HOME: dir, XDG_CONFIG_HOME: join(dir, 'config'), XDG_STATE_HOME: join(dir, 'state') };
});
afterAll(async () => {
  await server.remove();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  stages = ['stop', 'start', 'probe', 'commit', 'done'];
  endless = false;
  restarted = [];
  asked = [];
  gcRequests = [];
  garbage = [];
});

function start(
  ...words: string[]
): ChildProcess & { done: Promise<{ out: string; err: string; code: number | null }> } {
  const child = spawn(process.execPath, [program, ...words], { env, stdio: 'pipe' });
  const done = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([out, err, [code]]) => ({
      out,
      err,
      code: code as number | null,
    }),
  );
  return Object.assign(child, { done });
}

function gantry(...words: string[]) {
  const child = start('-d', device, ...words);
  child.stdin?.end();
  return child.done;
}

describe('reading', () => {
  it('ps lists what should run, with -a all', async () => {
    const { out, err, code } = await gantry('ps');
    const lines = out.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(lines[0]).toEqual(['NAME', 'IMAGE', 'STATE', 'HEALTH', 'UPTIME', 'RESTARTS', 'MEMORY', 'DETAIL']);
    expect(lines[1]?.slice(0, 4)).toEqual(['web', 'web:1', 'running', 'healthy']);
    expect(lines[1]?.at(-1)).toBe('5.0 MB');
    expect([lines.length, err, code]).toEqual([3, '', 0]);
    expect(JSON.parse((await gantry('ps', '-a', '--json')).out)).toEqual(JSON.parse(JSON.stringify(components)));
  });

  it('info, inspect, revisions and stats have words and JSON', async () => {
    const results = await Promise.all([gantry('info'), gantry('revisions'), gantry('inspect', 'web', '--json')]);
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(results[0]?.out).toMatch(/host name +bench\n/);
    expect(results[0]?.out).toMatch(/upgrade +demo2 \(abcdef01\) is on trial/);
    expect(results[0]?.out).toMatch(
      /watchdog +\/dev\/watchdog0 IS NOT FED \(web has not been well for 90 s\): .* 60 s\n/,
    );
    expect(results[0]?.out).toContain(
      'storage         100 MB free of 250 MB, "gantry gc" would free 12.3 MB, 4.0 kB in quarantine\n' +
        'damage          revision 2 is damaged on the disk\n',
    );
    expect(results[1]?.out).toMatch(/1 +current +2030-01-01T00:00:00Z +swap web +web: web:1 → web:2\n/);
    expect(results[1]?.out).toMatch(/0 +refused .* web: env; rolled back: it ended with exit code 1\n/);
    expect(JSON.parse(results[2]?.out ?? '')).toEqual({ Name: '/web', Config: { Env: ['A=1'] } });
    expect(JSON.parse((await gantry('stats', '--no-stream', '--json')).out)).toContainEqual({
      name: 'web',
      memoryBytes: 5e6,
    });
  });

  it('gc says what went, and with --dry-run what would go', async () => {
    garbage = [
      { kind: 'revision', name: '3', bytes: 4096 },
      { kind: 'layer', name: 'a\u001b[31mb', bytes: 12.3e6 },
    ];
    const preview = await gantry('gc', '--dry-run');
    expect(preview.out).toBe(
      'KIND      NAME  SIZE\nrevision  3     4.1 kB\nlayer     ab    12.3 MB\nwould free 12.3 MB\n',
    );
    expect((await gantry('gc')).out).toMatch(/\nfreed 12\.3 MB\n$/);
    expect(JSON.parse((await gantry('gc', '--json')).out)).toMatchObject({ bytes: 12_304_096 });
    garbage = [];
    expect((await gantry('gc')).out).toBe('nothing to remove: everything on the device is needed\n');
    expect(gcRequests).toEqual([{ dryRun: true }, { dryRun: false }, { dryRun: false }, { dryRun: false }]);
  });

  it('logs keeps the streams apart, without escapes in a pipe', async () => {
    expect(await gantry('logs', 'web')).toEqual({ out: 'to stdout\n', err: 'to stderr\n', code: 0 });
    const { out } = await gantry('logs', '--json', 'web');
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { stream: 'stdout', text: 'to stdout' },
      { stream: 'stderr', text: 'to stderr' },
    ]);
  });

  it('logs -f ends with 130 at Ctrl-C', async () => {
    const child = start('-d', device, 'logs', '-f', 'web');
    child.stdout?.once('data', () => child.kill('SIGINT'));
    expect((await child.done).code).toBe(130);
  });
});

describe('mistakes', () => {
  it.each([
    [['pss'], 2, /there is no command "pss"\. Did you mean ps/],
    [['ps', '--frobnicate'], 2, /unknown option '--frobnicate'/],
    [['logs', '--tail', 'x', 'web'], 2, /Give a number of lines/],
    [['logs'], 2, /missing required argument 'name'/],
    [['-d', 'nowhere', 'ps'], 2, /no device is called "nowhere"/],
    [['ps', '-d', 'unix:/nowhere.sock'], 3, /there is no socket \/nowhere\.sock/],
    [['exec', 'wbe', 'true'], 1, /there is no component "wbe"|page not found/],
    [['exec', '-t', 'web', 'true'], 2, /standard input is no terminal/],
    [['swap', 'web', './no-such-image'], 1, /there is no OCI layout or tar \.\/no-such-image/],
    [[], 2, /the terminal UI needs a terminal/],
    [['top'], 2, /gantry stats/],
    [['build', '--arch', 'vax', 'os.yml'], 2, /Gantry builds amd64 and arm64/],
    [['build', '--format', 'iso', 'os.yml'], 2, /Gantry writes image and host/],
    [['rollback', '9999999999'], 2, /Give the number of a revision/],
  ])('%j ends with %i', async (words, expected, message) => {
    const { out, err, code } = await gantry(...words);
    expect(err).toMatch(message);
    expect([out, code]).toEqual(['', expected]);
  });

  it('a wrong name among others does not keep them from being restarted', async () => {
    const { err, code } = await gantry('restart', 'wbe', 'web');
    expect(err).toMatch(/there is no component "wbe" on this device\. Did you mean web\?\nweb restarted\n/);
    expect([restarted, code]).toEqual([['web'], 1]);
  });
});

describe('exec', () => {
  it('joins pipes and passes on the exit code', async () => {
    const child = start('-d', device, 'exec', '-i', '-e', 'A=1 2', 'web', 'sh', '-c', 'cat; echo "$A" >&2; exit 5');
    child.stdin?.end('typed\n');
    expect(await child.done).toEqual({ out: 'typed\n', err: '1 2\n', code: 5 });
  });

  it('leaves options after the name to the command', async () => {
    expect(await gantry('exec', 'web', 'echo', '-i', '--json', '-d')).toEqual({
      out: '-i --json -d\n',
      err: '',
      code: 0,
    });
  });

  it('sh -c runs on the device', async () => {
    expect(await gantry('sh', '-c', 'echo here; exit 3')).toEqual({ out: 'here\n', err: '', code: 3 });
  });

  it('-it gives the command this terminal, follows its size, and gives it back', async () => {
    const script = `stty -a | head -n1; read x; trap 'stty size; exit 6' WINCH; echo "got $x"; while :; do sleep 0.1; done`;
    const words = [program, '-d', device, 'exec', '-it', 'web', 'sh', '-c', script];
    // A shell around it sees the terminal afterwards.
    const outer = `"$0" "$@"; echo "code $?"; stty -a | grep -o '.icanon\\| icanon'`;
    const pty = spawnPty('/bin/sh', ['-c', outer, process.execPath, ...words], { cols: 91, rows: 31, env });
    let seen = '';
    const steps: [string, () => void][] = [
      ['rows 31; columns 91', () => pty.write('key\r')],
      ['got key', () => pty.resize(92, 32)],
    ];
    pty.onData((data) => {
      seen += data;
      if (steps[0] && seen.includes(steps[0][0])) steps.shift()?.[1]();
    });
    await new Promise((resolve) => pty.onExit(resolve));
    expect(seen).toContain('32 92');
    expect(seen).toMatch(/code 6\r\n icanon\r\n/);
  });
});

describe('gantry upgrade --dry-run', () => {
  it('says what it would send, file by file', async () => {
    const image = join(dir, 'os');
    mkdirSync(image);
    const manifest = { id: 'abcdef0123456789', name: 'os', arch: 'amd64', board: 'pc', cmdline: 'quiet' };
    writeFileSync(join(image, 'image.json'), JSON.stringify(manifest));
    for (const name of ['kernel', 'initrd.img', 'root.img']) writeFileSync(join(image, name), name);
    const { out, code } = await gantry('upgrade', '--dry-run', image);
    const why = '(whole: it is sent sooner than it is compared)';
    expect([out, code]).toEqual([
      `os (abcdef0123456789)
Would send 24 B: the whole image, about 0 ms at 100 MB/s (a guess)
  kernel: 6 B ${why}
  initrd.img: 10 B ${why}
  root.img: 8 B ${why}
`,
      0,
    ]);
    const json = await gantry('upgrade', '--dry-run', '--json', image);
    expect(JSON.parse(json.out)).toMatchObject({ method: 'whole', bytes: 24, parts: [{ name: 'kernel' }, {}, {}] });
    expect((await gantry('upgrade', '--dry-run', dir)).err).toContain('is no composed image');
  });
});

describe('swap', () => {
  it('prints the stages as JSON lines', async () => {
    const { out, err, code } = await gantry('swap', '--json', 'web', join(dir, 'image'));
    const seen = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { stage: string });
    expect(seen.map(({ stage }) => stage)).toEqual(['stage', ...stages]);
    expect([err, code]).toEqual(['', 0]);
  });

  it('prints a line for each stage', async () => {
    const { out, err } = await gantry('swap', 'web', `${join(dir, 'image')}:web:2`);
    expect(err.split('\n').slice(1, 3)).toEqual(['stop     stop it [revision 4]', 'start    start it [revision 4]']);
    expect(out).toBe('');
  });

  it('ends with 4 when the device took the old one back', async () => {
    stages = ['stop', 'start', 'rollback', 'failed'];
    expect((await gantry('swap', 'web', join(dir, 'image'))).code).toBe(4);
    expect((await gantry('rollback', '2')).code).toBe(4);
  });

  it('says what it would do', async () => {
    const { out, code } = await gantry('swap', '--dry-run', 'web', join(dir, 'image'), 'app', join(dir, 'image'));
    expect([out, code]).toEqual([
      `From revision 1
  web: web:1 → web:2 (env), overlap
Steps
  1. start the new web beside the old
  2. put the new revision in force
Would send 1.2 MB (web:2).
Would free 5.0 MB for it: 1 revision, 2 layers.
Replaces the containers of web.
Would be refused without --retry: web:2 was rolled back at noon: HTTP 500
`,
      0,
    ]);
    expect(asked).toMatchObject([{ changes: [{ name: 'web' }, { name: 'app' }], images: [{ ref: 'web:2' }, {}] }]);
    const json = await gantry('swap', '--dry-run', '--json', 'web', join(dir, 'image'));
    expect(JSON.parse(json.out)).toEqual(plan);
  });

  it('changes the configuration, with or without another image', async () => {
    const file = join(dir, 'web.yml');
    writeFileSync(file, 'stop_signal: SIGQUIT\nhealthcheck: { tcp: "127.0.0.1:80" }\n');
    await gantry('swap', '--dry-run', 'web', '--env', 'A=', '--env', 'B=2', '--command', 'web -v', '--config', file);
    const config = {
      env: ['B=2'],
      command: ['web', '-v'],
      stop_signal: 'SIGQUIT',
      healthcheck: { tcp: '127.0.0.1:80' },
    };
    expect(asked).toEqual([{ changes: [{ name: 'web', config }], images: [] }]);
    writeFileSync(file, 'stop_singal: SIGQUIT\n');
    expect(await gantry('swap', 'web', '--config', file)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/web\.yml:1:1: stop_singal: unknown key/),
    });
  });

  it.each([
    [['web'], /what shall web be swapped for\? Give an image/],
    [['web', 'web:2', 'web', 'web:3'], /web is named twice/],
    [['web', 'web:2', 'app', 'app:2', '--env', 'A=1'], /go with one component/],
    [['web', '--env', 'A'], /Give NAME=VALUE/],
  ])('explains wrong usage: %j', async (words, message) => {
    expect(await gantry('swap', ...words)).toMatchObject({ code: 2, err: expect.stringMatching(message) });
  });

  it.each(['stage', 'stop'] as const)('says at Ctrl-C that the device goes on, also from its %s on', async (stage) => {
    stages = [stage];
    endless = true;
    const child = start('-d', device, 'swap', 'web', join(dir, 'image'));
    let said = '';
    let interrupted = false;
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      // Once, as a person does: a second one ends it at once.
      if (said.includes(`${stage} it`) && !interrupted) interrupted = child.kill('SIGINT');
    });
    const { err, code } = await child.done;
    expect(err).toMatch(/the device goes on with the swap by itself\. Follow it: gantry ps/);
    expect(code).toBe(130);
  });
});

describe('proxy', () => {
  it('serves the API on a socket for this user only, and removes it at the end', async () => {
    const socket = join(dir, 'proxy.sock');
    const child = start('-d', device, 'proxy', '--socket', socket);
    await once(child.stdout ?? child, 'data');
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const [answer] = await once(request({ socketPath: socket, path: '/containers/web/json' }).end(), 'response');
    expect(JSON.parse(await text(answer))).toMatchObject({ Name: '/web' });
    const second = await gantry('proxy', '--socket', socket);
    expect(second.err).toMatch(/is in use/);
    child.kill('SIGINT');
    expect((await child.done).out).toBe(`export DOCKER_HOST=unix://${socket}\n`);
    expect(existsSync(socket)).toBe(false);
  });
});

describe('device', () => {
  it('names devices, and the only one is the default', async () => {
    await gantry('device', 'add', 'bench', device);
    const listed = await start('device', 'ls', '--json').done;
    expect(JSON.parse(listed.out)).toEqual([{ name: 'bench', target: device, source: 'added' }]);
    expect((await start('info', '--json').done).code).toBe(0);
    expect((await start('-d', 'bnech', 'ps').done).err).toMatch(/Did you mean bench\?/);
    expect((await start('device', 'rm', 'bench').done).code).toBe(0);
    expect((await start('ps').done).code).toBe(2);
  });
});
