import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { spawnOnPipes } from './pipes.ts';

test('a program can open its streams again by name, and gets the end of its input', async () => {
  const script = 'cat; echo out > /dev/stdout; echo err > /dev/stderr; exit 3';
  const { child, stdin, stdout, stderr } = await spawnOnPipes(['sh', '-c', script], process.env);
  const code = new Promise((resolve) => child.once('exit', resolve));
  stdin.end('in\n');
  expect(await Promise.all([text(stdout), text(stderr), code])).toEqual(['in\nout\n', 'err\n', 3]);
});

test('more than a pipe holds goes through in both directions', async () => {
  const { stdin, stdout, stderr } = await spawnOnPipes(['cat'], process.env);
  const data = 'x'.repeat(1 << 20);
  stdin.end(data);
  expect(await Promise.all([text(stdout), text(stderr)])).toEqual([data, '']);
});

test('a program that does not exist is an error with its name', async () => {
  await expect(spawnOnPipes(['/nowhere/at-all'], process.env)).rejects.toThrow('/nowhere/at-all');
});
