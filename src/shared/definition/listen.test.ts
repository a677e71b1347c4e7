import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listenFault, parseListen } from './listen.ts';

test('addresses and paths', () => {
  expect(parseListen('0.0.0.0:80')).toEqual({ family: 'inet', host: '0.0.0.0', port: 80 });
  expect(parseListen('[::1]:8080')).toEqual({ family: 'inet6', host: '::1', port: 8080 });
  expect(parseListen('/run/app/x.sock')).toEqual({ family: 'unix', path: '/run/app/x.sock' });
});

test.each([
  ['localhost:80', 'not an IP address'],
  ['0.0.0.0:0', 'between 1 and 65535'],
  ['0.0.0.0:70000', 'between 1 and 65535'],
  ['/etc/x.sock', 'below /run'],
  ['/run/../etc/x.sock', 'below /run'],
  [`/run/${'x'.repeat(120)}`, 'at most 107 bytes'],
])('%s is refused', (text, why) => {
  expect(() => parseListen(text)).toThrow(why);
});

test('every port of every address comes back as it was', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65_535 }), (host, port) => {
      const text = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
      expect(parseListen(text)).toEqual({ family: host.includes(':') ? 'inet6' : 'inet', host, port });
    }),
  );
});

test('what cannot work is said before it is built', () => {
  expect(listenFault({})).toBeUndefined();
  expect(listenFault({ listen: ['0.0.0.0:80'], swap: { strategy: 'handover' } })).toBeUndefined();
  expect(listenFault({ listen: ['0.0.0.0:80', '0.0.0.0:80'] })).toContain('twice');
  expect(listenFault({ listen: ['0.0.0.0:80'], net: 'new' })).toContain('net: host');
  expect(listenFault({ listen: ['0.0.0.0:80'], pid: 'host' })).toContain('pid: new');
  expect(listenFault({ swap: { strategy: 'handover' } })).toContain('needs listen');
  const overlap = { strategy: 'overlap' as const };
  expect(listenFault({ swap: overlap, healthcheck: { http: 'http://127.0.0.1/' } })).toContain('the old container may');
  expect(listenFault({ swap: overlap, healthcheck: { http: 'http://127.0.0.1/' }, net: 'new' })).toBeUndefined();
  expect(listenFault({ swap: overlap, healthcheck: { ready: true } })).toBeUndefined();
  expect(listenFault({ swap: overlap })).toBeUndefined();
});
