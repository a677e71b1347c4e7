import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boundVolumes, parseBind } from './bind.ts';

test('a path, a volume, and their defaults', () => {
  expect(parseBind('/a')).toEqual({
    ...{ source: '/a', volume: false, destination: '/a', writable: true },
    options: ['rw', 'rbind', 'rshared'],
  });
  expect(parseBind('data:/var/data')).toMatchObject({ source: 'data', volume: true, destination: '/var/data' });
  expect(parseBind('data:/var/data').options).toContain('rprivate');
  expect(parseBind('/a:/b:ro,bind')).toMatchObject({ options: ['ro', 'bind'], writable: false });
});

test('anything else is refused: nothing relative becomes a mount', () => {
  for (const text of ['', ':', 'data', 'a/b:/c', './a:/c', '../a:/c', 'Data:/c', '/a:b', '/a:/b:ro:x', 'data:'])
    expect(() => parseBind(text), text).toThrow('is neither');
  const part = fc.string({ unit: fc.constantFrom('a', 'B', '/', '.', '-', '_', '0', ' ', ',', 'ro') });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      try {
        const { source, volume, destination } = parseBind(parts.join(':'));
        expect(destination.startsWith('/')).toBe(true);
        expect(volume ? /^[a-z0-9_-]+$/.test(source) : source.startsWith('/')).toBe(true);
      } catch (error) {
        expect((error as Error).message).toContain('is neither');
      }
    }),
  );
});

test('volumes among binds, each once; what is no bind is not there', () => {
  expect(boundVolumes(['data:/a', '/etc:/etc', 'data:/b:ro', 'Not a bind', 'more:/c'])).toEqual(['data', 'more']);
  expect(boundVolumes()).toEqual([]);
});
