import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/**
 * What the initramfs starts, by the files on the data partition. The functions are those of the script; only the start
 * itself, which would end this kernel, is replaced.
 */
let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'gantry-choice-'));
  mkdirSync(join(data, 'boot'));
});
afterEach(() => rmSync(data, { recursive: true }));

const script = readFileSync(join(import.meta.dirname, '../boot/initramfs'), 'utf8');
const functions = script.slice(script.indexOf('mounted() {'), script.indexOf('\ntries=0'));

/** `works`: slots that start. Returns what was started, or the image itself. */
function choose(works: string[]): string {
  const body = functions
    .replaceAll('/data/', `${data}/`)
    .replaceAll('/dev/console', `${data}/console`)
    .replace('[ -n "$image" ] || fail', ': || fail')
    .replaceAll('$bb sync', ':');
  const start = `start_slot() { case " ${works.join(' ')} " in *" $1 "*) echo $1; exit ;; esac; why="it is damaged"; }`;
  const program = `bb=busybox; image=1; slot=;\n${body}\n${start}\nchoose\necho image`;
  return execFileSync('busybox', ['sh', '-c', program], { encoding: 'utf8' }).trim();
}
const write = (name: string, text: string) => writeFileSync(join(data, 'boot', name), `${text}\n`);
const read = (name: string) =>
  existsSync(join(data, 'boot', name)) ? readFileSync(join(data, 'boot', name), 'utf8').trim() : undefined;

describe('the initramfs', () => {
  it('starts the image when there is nothing else', () => {
    expect(choose([])).toBe('image');
  });

  it('starts what is to be tried once, and then what was there before, with a note', () => {
    write('current', 'a');
    write('try', 'b');
    expect(choose(['a', 'b'])).toBe('b');
    expect([read('try'), read('tried')]).toEqual([undefined, 'b']);
    expect(choose(['a', 'b'])).toBe('a');
    expect(read('failed')).toMatch(/^b\nit was started, and not found healthy/);
    expect([read('tried'), read('current')]).toEqual([undefined, 'a']);
  });

  it('does not give up what was kept just before the power failed', () => {
    write('current', 'b');
    write('tried', 'b');
    expect(choose(['b'])).toBe('b');
    expect([read('tried'), read('failed')]).toEqual([undefined, undefined]);
  });

  it('starts the current one when what is to be tried cannot be started', () => {
    write('current', 'a');
    write('try', 'b');
    expect(choose(['a'])).toBe('a');
    expect(read('failed')).toBe('b\nit is damaged');
  });

  it('leaves a current one that is never healthy for the one before, and that for the image', () => {
    write('current', 'b');
    write('previous', 'a');
    for (let boot = 0; boot < 3; boot++) expect(choose(['a', 'b'])).toBe('b');
    for (let boot = 0; boot < 3; boot++) expect(choose(['a', 'b'])).toBe('a');
    expect(choose(['a', 'b'])).toBe('image');
    expect([read('current'), read('lost')]).toEqual(['factory', expect.stringMatching(/^a\nit was started 3 times/)]);
  });

  it('tries nothing that it cannot note as tried', () => {
    write('current', 'a');
    write('try', 'b');
    const boot = join(data, 'boot');
    execFileSync('mount', ['--bind', boot, boot]);
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', boot]);
      expect(choose(['a', 'b'])).toBe('a');
    } finally {
      execFileSync('umount', [boot]);
    }
  });

  it('starts the image when no slot can be started, and when it is the image that is tried', () => {
    write('current', 'b');
    write('previous', 'a');
    expect(choose([])).toBe('image');
    write('current', 'a');
    write('try', 'factory');
    expect(choose(['a'])).toBe('image');
    expect(read('tried')).toBe('factory');
    expect(choose(['a'])).toBe('a');
  });

  it('starts something whatever is in its files', () => {
    for (const name of ['current', 'previous', 'try', 'tried', 'starts']) write(name, '\u0000/../*; reboot');
    expect(choose(['a', 'b'])).toBe('image');
  });
});
