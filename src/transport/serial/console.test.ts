import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createPty, type Pty } from '../../../test/support/pty.ts';
import { createLink, type Link } from '../../shared/link/link.ts';
import { SerialConsole } from './console.ts';
import { openPort } from './port.ts';
import { takeLine } from './take-line.ts';

const patient = { timeout: 20_000, interval: 10 };
const settings = { baud: 115_200, flow: 'none' } as const;
let folder = '';
let hostEnd: Pty;
let consoles: SerialConsole[];
let links: Link[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-console-'));
  vi.stubEnv('XDG_RUNTIME_DIR', folder);
  consoles = [];
  links = [];
  hostEnd = await plugIn();
});

afterEach(async () => {
  for (const console of consoles) await console.close();
  for (const link of links) await link.close();
  hostEnd.close();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** The adapter, under the name that stays. */
const adapter = (): string => join(folder, 'by-id');

async function plugIn(): Promise<Pty> {
  const pty = await createPty();
  execFileSync('stty', ['-F', pty.path, 'raw', '-echo']);
  symlinkSync(pty.path, adapter());
  return pty;
}

function open(mode: 'auto' | 'bare', trialMs = 300) {
  const shown = { text: '', notes: [] as string[] };
  const console = new SerialConsole({
    take: () => takeLine({ ...settings, path: adapter() }),
    mode,
    size: { columns: 80, rows: 24 },
    trialMs,
  });
  console.on('output', (bytes) => {
    shown.text += bytes.toString();
  });
  console.on('note', (text) => shown.notes.push(text));
  consoles.push(console);
  return { console, shown };
}

/** A device with a link at the other end of the line, whose shell says back what it hears. */
async function startDevice(): Promise<Link> {
  const cable = await createPty();
  const { stream } = await openPort({ ...settings, path: cable.path });
  cable.cable.on('data', (chunk: Buffer) => hostEnd.cable.write(chunk));
  hostEnd.cable.on('data', (chunk: Buffer) => cable.cable.write(chunk));
  const link = createLink(stream, { role: 'device', bootId: 'boot-1' });
  links.push(link);
  link.on('stream', (shell) => shell.on('data', (chunk: Buffer) => shell.write(`heard ${chunk.toString()}`)));
  link.announce();
  return link;
}

test('an adapter that was pulled out and comes back goes on with the console', async () => {
  const { console, shown } = open('bare');
  await console.start();
  hostEnd.cable.write('before');
  await vi.waitFor(() => expect(shown.text).toBe('before'), patient);
  unlinkSync(adapter());
  hostEnd.close();
  await vi.waitFor(() => expect(shown.notes.join()).toContain('there is no serial port'), patient);
  hostEnd = await plugIn();
  await vi.waitFor(() => expect(shown.notes.at(-1)).toBe('the line is back'), patient);
  hostEnd.cable.write(' and after');
  await vi.waitFor(() => expect(shown.text).toBe('before and after'), patient);
  let typed = '';
  hostEnd.cable.on('data', (chunk: Buffer) => {
    typed += chunk.toString();
  });
  await console.write(Buffer.from('ls\r'));
  await vi.waitFor(() => expect(typed).toBe('ls\r'), patient);
});

test('keys go to the bare line until the device answers, then to its shell, and back when it goes', async () => {
  const { console, shown } = open('auto');
  await console.start();
  expect(console.mode).toBe('bare');
  expect(shown.notes).toEqual([expect.stringContaining('nothing comes from the line')]);
  const device = await startDevice();
  await vi.waitFor(() => expect(console.mode).toBe('shell'), patient);
  await console.write(Buffer.from('ls'));
  await vi.waitFor(() => expect(shown.text).toContain('heard '), patient);
  await device.close();
  await vi.waitFor(() => expect(console.mode).toBe('bare'), patient);
  expect(shown.notes.join()).toContain('the link is down');
});

test('from the shell to the bare line and back', async () => {
  const device = await startDevice();
  const { console } = open('auto', 20_000);
  await console.start();
  expect(console.mode).toBe('shell');
  await console.toggle();
  await vi.waitFor(() => expect(console.mode).toBe('bare'), patient);
  expect(device.state).toBe('plain');
  await console.toggle();
  expect(console.mode).toBe('shell');
});
