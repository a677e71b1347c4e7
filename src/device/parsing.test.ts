import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame } from '../../init-container/api/frames.ts';
import type { Revision } from '../shared/definition/revision.ts';
import { digestOf } from '../shared/oci/digest.ts';
import { diffRevisions } from './diff-revisions.ts';
import { FrameSplitter } from './docker-frames.ts';
import { UnknownDeviceError } from './errors.ts';
import { nearestNames, suggestion } from './nearest.ts';
import { formatTarget, parseTarget, type Target } from './target.ts';

describe('FrameSplitter', () => {
  const streams = ['', 'stdout', 'stderr'] as const;

  it('finds every byte of each stream, however the chunks are cut', () => {
    const sent = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })), { maxLength: 12 });
    fc.assert(
      fc.property(sent, fc.array(fc.nat(30), { maxLength: 40 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(([stream, data]) => frame(stream, Buffer.from(data))));
        const splitter = new FrameSplitter();
        const found = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = Math.min(bytes.length, at + (cuts[i] ?? 7) + 1);
          for (const { stream, data } of splitter.push(bytes.subarray(at, end))) found[stream].push(data);
          at = end;
        }
        expect(splitter.complete).toBe(true);
        for (const number of [1, 2] as const) {
          const expected = frames.filter(([stream]) => stream === number).map(([, data]) => Buffer.from(data));
          expect(Buffer.concat(found[streams[number] as 'stdout' | 'stderr'])).toEqual(Buffer.concat(expected));
        }
      }),
    );
  });

  it('refuses what is no frame, and knows when one is cut off', () => {
    expect(() => new FrameSplitter().push(Buffer.from('HTTP/1.1 200'))).toThrow('broken frame');
    const splitter = new FrameSplitter();
    splitter.push(frame(1, Buffer.from('abc')).subarray(0, 9));
    expect(splitter.complete).toBe(false);
  });
});

describe('targets', () => {
  it.each<[string, Target]>([
    ['ssh://root@board', { kind: 'ssh', user: 'root', host: 'board' }],
    ['ssh://board:2222', { kind: 'ssh', host: 'board', port: 2222 }],
    ['ssh://me@[fe80::1]:22', { kind: 'ssh', user: 'me', host: 'fe80::1', port: 22 }],
    ['serial:/dev/ttyUSB0', { kind: 'serial', path: '/dev/ttyUSB0' }],
    ['serial:/dev/ttyUSB0?baud=9600', { kind: 'serial', path: '/dev/ttyUSB0', baud: 9600 }],
    [
      'serial:/dev/ttyUSB0?baud=9600&flow=xonxoff',
      { kind: 'serial', path: '/dev/ttyUSB0', baud: 9600, flow: 'xonxoff' },
    ],
    ['serial:/dev/ttyUSB0?fast=921600', { kind: 'serial', path: '/dev/ttyUSB0', fast: 921_600 }],
    ['unix:/run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
    ['unix:///run/x.sock', { kind: 'unix', path: '/run/x.sock' }],
    ['qemu:demo', { kind: 'qemu', name: 'demo' }],
    ['qemu:demo?via=serial', { kind: 'qemu', name: 'demo', via: 'serial' }],
    ['bench-1', { kind: 'name', name: 'bench-1' }],
  ])('%s', (text, target) => {
    expect(parseTarget(text)).toEqual(target);
    expect(parseTarget(formatTarget(target))).toEqual(target);
  });

  it.each([
    ['', 'a device is a known name'],
    ['ssh://', 'it should read ssh://[USER@]HOST[:PORT]'],
    ['ssh://a:b@c', 'a password has no place'],
    ['ssh://-oProxyCommand=x', 'may begin with "-"'],
    ['ssh://h:70000', '70000 is no port'],
    ['serial:ttyS0', 'must start with /'],
    ['serial:/dev/ttyS0?baud=fast', 'fast is no baud rate'],
    ['serial:/dev/ttyS0?fast=1', '1 is no baud rate'],
    ['serial:/dev/ttyS0?bod=9600', 'bod is not known here'],
    ['qemu:', 'the name of an emulator is missing'],
    ['qemu:x?via=smoke', 'neither ssh nor serial'],
    ['tcp://h:1', 'a device is a known name, ssh://'],
  ])('%s is refused with a reason', (text, reason) => {
    expect(() => parseTarget(text)).toThrow(UnknownDeviceError);
    expect(() => parseTarget(text)).toThrow(reason);
  });

  it('takes any text apart or refuses it, and what it takes comes back the same', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `ssh://${text}`),
        ),
        (text) => {
          let target: Target;
          try {
            target = parseTarget(text);
          } catch (error) {
            expect(error).toBeInstanceOf(UnknownDeviceError);
            return;
          }
          expect(parseTarget(formatTarget(target))).toEqual(target);
        },
      ),
    );
  });
});

describe('nearest names', () => {
  it('offers what was probably meant, else what there is', () => {
    expect(nearestNames('wbe', ['web', 'mosquitto', 'sshd'])).toEqual(['web']);
    expect(nearestNames('mosquito', ['web', 'mosquitto'])).toEqual(['mosquitto']);
    expect(nearestNames('mosq', ['web', 'mosquitto'])).toEqual(['mosquitto']);
    expect(suggestion('xyzzy', ['web', 'sshd'])).toBe('There are: web, sshd');
    expect(suggestion('xyzzy', [])).toBe('');
  });

  it('always offers a name with one slip in it', () => {
    const word = fc.stringMatching(/^[a-z]{3,12}$/);
    fc.assert(
      fc.property(word, fc.nat(), fc.constantFrom('drop', 'double', 'swap'), (name, position, slip) => {
        const at = position % (name.length - 1);
        const [a = '', b = ''] = [name[at], name[at + 1]];
        const changed = { drop: b, double: a + a + b, swap: b + a }[slip];
        const typed = name.slice(0, at) + changed + name.slice(at + 2);
        expect(nearestNames(typed, [name, '0000000000000000000000'])).toContain(name);
      }),
    );
  });
});

describe('diffRevisions', () => {
  const web = (ref: string, env: string[]): Revision['components'][string] => ({
    kind: 'service',
    image: { ref, digest: digestOf(ref) },
    order: 0,
    config: { env, net: 'host' },
  });
  const a: Revision = { schema: 1, components: { web: web('web:1', ['A=1']), old: web('old:1', []) } };
  const b: Revision = { schema: 1, components: { web: web('web:2', ['A=2']), new: web('new:1', []) } };

  it('names what was added, removed and changed', () => {
    const image = (ref: string) => `${ref} (${digestOf(ref).slice(7, 19)})`;
    expect(diffRevisions(a, b)).toEqual([
      { name: 'new', to: image('new:1') },
      { name: 'old', from: image('old:1') },
      { name: 'web', field: 'image', from: image('web:1'), to: image('web:2') },
      { name: 'web', field: 'config.env', from: ['A=1'], to: ['A=2'] },
    ]);
    expect(diffRevisions(a, a)).toEqual([]);
  });

  it('tells of volumes, and of settings', () => {
    const web = {
      kind: 'service',
      image: { ref: 'web:1', digest: `sha256:${'1'.repeat(64)}` },
      order: 0,
      config: {},
    } as const;
    const a: Revision = { schema: 1, components: { web }, volumes: { data: { persistence: 'permanent' } } };
    const b: Revision = {
      schema: 1,
      components: { web: { ...web, config: { env: ['A=1'] } } },
      volumes: { data: { persistence: 'revision' }, more: { persistence: 'boot' } },
    };
    expect(diffRevisions(a, b)).toEqual([
      { name: 'web', field: 'config.env', from: undefined, to: ['A=1'] },
      { name: 'volume data', field: 'persistence', from: 'permanent', to: 'revision' },
      { name: 'volume more', from: undefined, to: 'boot' },
    ]);
  });
});
