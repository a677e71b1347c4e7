import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { spawnPty } from './pty.ts';

test('a process has the pseudo-terminal as its controlling terminal, in the given size', async () => {
  const pty = await spawnPty(['sh', '-c', 'tty; stty size; echo x > /dev/tty; exit 7'], { columns: 91, rows: 37 });
  const output = await text(pty.stream);
  expect(output).toMatch(/^\/dev\/pts\/\d+\r\n37 91\r\nx\r\n$/);
  expect(await pty.exited).toBe(7);
});

test('typed text arrives, a new size is seen, and output up to the end is kept', async () => {
  const pty = await spawnPty(
    ['sh', '-c', 'stty -echo; echo ready; read line; echo "got $line"; stty size; seq 1 2000'],
    {
      columns: 80,
      rows: 24,
    },
  );
  let output = '';
  for await (const chunk of pty.stream) {
    const before = output;
    output += String(chunk);
    if (!before.includes('ready') && output.includes('ready')) {
      pty.resize(100, 50);
      pty.stream.write('hello\n');
    }
  }
  expect(output).toContain('got hello\r\n50 100\r\n1\r\n2\r\n');
  expect(output.endsWith('1999\r\n2000\r\n')).toBe(true);
  expect(await pty.exited).toBe(0);
});

test('hanging up ends the process; a signal is told as 128 + its number', async () => {
  const pty = await spawnPty(['sh', '-c', 'echo ready; exec sleep 1000'], { columns: 80, rows: 24 });
  for await (const chunk of pty.stream) {
    if (String(chunk).includes('ready')) break;
  }
  pty.hangUp();
  expect(await pty.exited).toBe(128 + 1);
});

test('a command that does not exist is told with its name', async () => {
  const pty = await spawnPty(['/nowhere/at-all'], { columns: 80, rows: 24 });
  expect(await text(pty.stream)).toContain('/nowhere/at-all');
  expect(await pty.exited).not.toBe(0);
});
