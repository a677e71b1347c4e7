import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Readiness } from './readiness.ts';

test('only READY=1 on a line of its own counts, and is told once', () => {
  let told = 0;
  const readiness = new Readiness(() => told++);
  for (const text of ['READY=0', 'XREADY=1', 'READY=1 ', 'STATUS=READY=1']) readiness.hear(Buffer.from(text));
  expect([told, readiness.outcome().exitCode]).toEqual([0, 1]);
  expect(readiness.outcome().output).toContain('it says: READY=1');
  readiness.hear(Buffer.from('STATUS=all is well\nREADY=1\nMAINPID=7'));
  readiness.hear(Buffer.from('READY=1'));
  expect(told).toBe(1);
  expect(readiness.outcome()).toEqual({ exitCode: 0, output: 'it has said that it is ready; it says: all is well' });
});

test('who has taken a container over is told instead', () => {
  const told: string[] = [];
  const readiness = new Readiness(() => told.push('before'));
  readiness.tellInstead(() => told.push('after'));
  readiness.hear(Buffer.from('READY=1'));
  expect(told).toEqual(['after']);
});

test('whatever a program sends, it is not ready by accident and nothing breaks', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
      const readiness = new Readiness(() => undefined);
      const message = Buffer.from(bytes);
      readiness.hear(message);
      const said = message.toString('utf8').split('\n').includes('READY=1');
      expect(readiness.outcome().exitCode).toBe(said ? 0 : 1);
    }),
  );
});
