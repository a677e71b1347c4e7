import { expect, test } from 'vitest';
import { describeContainer } from './inspect-text.ts';

const web = {
  Name: '/web',
  Image: `sha256:${'ab'.repeat(32)}`,
  Path: '/usr/sbin/nginx',
  Args: ['-g', 'daemon off;'],
  State: { Status: 'running', Pid: 80, StartedAt: '2026-11-22T04:32:06Z', Health: { Status: 'healthy' } },
  RestartCount: 2,
  Config: { Image: 'web:1', User: '' },
  HostConfig: {
    RestartPolicy: { Name: 'always' },
    NetworkMode: 'host',
    ReadonlyRootfs: true,
    Memory: 64e6,
    NanoCpus: 5e8,
    PidsLimit: 2048,
  },
  Mounts: [{ Source: '/var/lib/gantry/volumes/permanent/www', Destination: '/srv/www', RW: false }],
  Gantry: { Kind: 'service', Grants: ['capability CAP_CHOWN', "network: the device's"] },
};

test('a container in words', () => {
  expect(describeContainer(web).split('\n')).toEqual([
    'name        web',
    'image       web:1 (sha256:abababababab)',
    'kind        service',
    'state       running, healthy; pid 80, since 2026-11-22T04:32:06Z',
    'restart     always; restarted 2 times',
    'command     /usr/sbin/nginx -g daemon off;',
    'user        root',
    "network     the device's",
    'root        read-only',
    'limits      64.0 MB of memory, 0.5 processors, 2048 processes',
    'mounts:',
    '  /srv/www ← /var/lib/gantry/volumes/permanent/www (read-only)',
    'may, beyond the defaults:',
    '  capability CAP_CHOWN',
    "  network: the device's",
    '',
  ]);
});

test('one that has nothing, and one that failed', () => {
  expect(describeContainer({ ...web, Gantry: { Kind: 'service', Grants: [] } })).toContain(
    'beyond the defaults: nothing',
  );
  const failed = { ...web, State: { Status: 'exited', ExitCode: 128, Error: 'the image has no layers' } };
  expect(describeContainer(failed)).toContain('exited with code 128: the image has no layers');
});

test('a component adds no lines to what is said of it', () => {
  const Args = ['-c', 'true\nmay, beyond the defaults: nothing'];
  const text = describeContainer({ ...web, Path: '/bin/sh', Args, Gantry: { Kind: 'service', Grants: ['a\n  b'] } });
  expect(text).toContain('command     /bin/sh -c true^Jmay, beyond the defaults: nothing\n');
  expect(text.match(/^may, beyond/gm)).toHaveLength(1);
  expect(text).toMatch(/\n {2}a\^J {2}b\n$/);
});

test('another description is refused with a sentence', () => {
  expect(() => describeContainer({ Name: '/web' })).toThrow('otherwise than Docker does (Image): see it with --json');
});

test("a plain Docker engine's answer has no grants", () => {
  const { Gantry: _, ...plain } = web;
  expect(describeContainer({ ...plain, HostConfig: {}, Args: null })).not.toContain('beyond');
});
