import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inRoot, machinePath, onMachine } from './machine-paths.ts';
import type { OciSpec } from './oci-spec.ts';

let dir: string;
let places: { root: string; files: string };
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  places = { root: join(dir, 'host'), files: join(dir, 'files') };
  for (const folder of Object.values(places)) mkdirSync(folder);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(root: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), '');
}

describe('machinePath', () => {
  it('is the machine’s own file, whether it exists or not', () => {
    write(places.root, '/etc/hosts');
    expect(machinePath('/etc/hosts', places)).toBe(`${places.root}/etc/hosts`);
    expect(machinePath('/etc/none', places)).toBe(`${places.root}/etc/none`);
    expect(machinePath('/', places)).toBe(`${places.root}/`);
  });

  it('is the definition’s file before the machine’s', () => {
    write(places.root, '/etc/app.conf');
    write(places.files, '/etc/app.conf');
    expect(machinePath('/etc/app.conf', places)).toBe(`${places.files}/etc/app.conf`);
  });

  it('is the machine’s folder, unless only the definition has one', () => {
    write(places.root, '/etc/hosts');
    write(places.files, '/etc/app/a.conf');
    expect(machinePath('/etc', places)).toBe(`${places.root}/etc`);
    expect(machinePath('/etc/app', places)).toBe(`${places.files}/etc/app`);
  });

  it('leaves Gantry’s own folders where they are', () => {
    for (const path of ['/run/gantry', '/var/lib/gantry/volumes/a', '/gantry/layers']) {
      expect(machinePath(path, places)).toBe(path);
    }
    expect(machinePath('/run/gantry/../netns/a', places)).toBe(`${places.root}/run/netns/a`);
    expect(machinePath('/run/gantryman', places)).toBe(`${places.root}/run/gantryman`);
  });
});

describe('inRoot', () => {
  it('follows links as a process does whose root that is', () => {
    write(places.root, '/usr/share/zone');
    mkdirSync(join(places.root, 'etc'));
    mkdirSync(join(places.root, 'run'));
    symlinkSync('/usr/share/zone', join(places.root, 'etc/localtime'));
    symlinkSync('../../../../run/./resolv', join(places.root, 'etc/resolv.conf'));
    symlinkSync('/run', join(places.root, 'var-run'));
    expect(inRoot(places.root, '/etc/localtime')).toBe(`${places.root}/usr/share/zone`);
    expect(inRoot(places.root, '/etc/resolv.conf')).toBe(`${places.root}/run/resolv`);
    expect(inRoot(places.root, '/var-run/docker.sock')).toBe(`${places.root}/run/docker.sock`);
  });

  it('does not follow links for ever', () => {
    symlinkSync('b', join(places.root, 'a'));
    symlinkSync('a', join(places.root, 'b'));
    expect(() => inRoot(places.root, '/a')).toThrow('too many symbolic links');
  });

  it('never leads out of the root', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const path = fc.array(fc.oneof(name, fc.constantFrom('..', '.')), { minLength: 1, maxLength: 6 });
    const target = fc.tuple(fc.boolean(), path).map(([absolute, parts]) => (absolute ? '/' : '') + parts.join('/'));
    fc.assert(
      fc.property(fc.dictionary(name, target), path, (links, parts) => {
        const root = mkdtempSync(join(dir, 'root-'));
        for (const [link, to] of Object.entries(links)) symlinkSync(to, join(root, link));
        try {
          expect(`${inRoot(root, `/${parts.join('/')}`)}/`.startsWith(`${root}/`)).toBe(true);
        } catch (error) {
          expect((error as Error).message).toContain('too many symbolic links');
        }
      }),
    );
  });
});

describe('onMachine', () => {
  const spec = (part: object) =>
    ({
      mounts: [
        { destination: '/a', type: 'bind', source: '/etc/a', options: ['ro'] },
        { destination: '/b', source: '/etc/b', options: ['rbind'] },
        { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid'] },
      ],
      linux: { namespaces: [{ type: 'mount' }, { type: 'network', path: '/run/netns/blue' }] },
      ...part,
    }) as unknown as OciSpec;

  it('moves binds and namespaces, and nothing else', () => {
    const moved = onMachine(spec({ hostname: 'x' }), (path) => `/host${path}`);
    expect(moved.mounts.map(({ source }) => source)).toEqual(['/host/etc/a', '/host/etc/b', 'proc']);
    expect(moved.linux.namespaces).toEqual([{ type: 'mount' }, { type: 'network', path: '/host/run/netns/blue' }]);
    expect(moved.hostname).toBe('x');
  });
});
