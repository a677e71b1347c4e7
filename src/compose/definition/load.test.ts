import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDefinitions } from './load.ts';

function definition(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'gantry-test-')), 'os.yml');
  writeFileSync(path, text);
  return path;
}

const head = 'kernel: {image: k}\ninit: [base, init]\n';

describe('loadDefinitions', () => {
  it('merges several files: kernel fields override, lists append', async () => {
    const first = definition(`kernel: {image: k, cmdline: a}\ninit: [base]\nservices: [{name: one, image: x}]\n`);
    const second = definition('kernel: {image: k, cmdline: b}\ninit: [init]\nservices: [{name: two, image: y}]\n');
    const merged = await loadDefinitions([first, second]);
    expect(merged.kernel.cmdline).toBe('b');
    expect(merged.init).toEqual(['base', 'init']);
    expect(merged.services.map((s) => s.name)).toEqual(['one', 'two']);
  });

  it('keeps of the kernel what a later file does not say', async () => {
    const first = definition(`kernel: {image: k, cmdline: a}\ninit: [base, init]\n`);
    const image = await loadDefinitions([first, definition('kernel: {image: k2}\n')]);
    expect(image.kernel).toEqual({ image: 'k2', cmdline: 'a' });
    const cmdline = await loadDefinitions([first, definition('kernel: {cmdline: b}\n')]);
    expect(cmdline.kernel).toEqual({ image: 'k', cmdline: 'b' });
  });

  it('names a circle of dependencies', async () => {
    const path = definition(
      `${head}services:\n  - {name: a, image: x, depends_on: [b]}\n  - {name: b, image: x, depends_on: {a: {condition: healthy}}}\n`,
    );
    await expect(loadDefinitions([path])).rejects.toThrow('a → b → a');
  });

  it('refuses volumes that cannot be as they are written', async () => {
    const state = 'volumes: [{name: state, persistence: revision}]\n';
    const wrong: [string, string][] = [
      ['services: [{name: a, image: x, binds: ["stat:/s"]}]', 'a binds the volume "stat", which does not exist'],
      ['services: [{name: a, image: x, binds: ["no/path:/s"]}]', 'a: bind "no/path:/s" is neither'],
      ['services: [{name: a, image: x, binds: [state]}]', 'a: bind "state" is neither'],
      [
        'services: [{name: a, image: x, binds: ["state:/s"]}]\nonboot: [{name: b, image: x, binds: ["state:/s:ro"]}]',
        'b and a bind the volume state, which belongs to a revision: only one component may',
      ],
      [
        'services: [{name: a, image: x, binds: ["state:/s"], swap: {strategy: overlap}}]',
        'a cannot be swapped by overlap',
      ],
    ];
    for (const [text, words] of wrong) {
      await expect(loadDefinitions([definition(`${head}${state}${text}\n`)])).rejects.toThrow(words);
    }
    const twice = 'services: [{name: a, image: x, binds: ["state:/s", "state:/again:ro"]}]';
    expect((await loadDefinitions([definition(`${head}${state}${twice}\n`)])).volumes).toHaveLength(1);
  });

  it('offers the nearest name for an unknown dependency', async () => {
    const path = definition(
      `${head}services:\n  - {name: mosquitto, image: x}\n  - {name: b, image: x, depends_on: [mosqito]}\n`,
    );
    await expect(loadDefinitions([path])).rejects.toThrow(
      'depends on mosqito, which does not exist (nearest: mosquitto)',
    );
  });

  it('refuses waiting for what comes later, or never', async () => {
    const refused = async (text: string) =>
      expect(loadDefinitions([definition(`${head}${text}`)])).rejects.toThrow(/depends on|waits until/);
    await refused('onboot: [{name: a, image: x, depends_on: [b]}, {name: b, image: x}]\n');
    await refused('onboot: [{name: a, image: x, depends_on: [b]}]\nservices: [{name: b, image: x}]\n');
    await refused('services: [{name: a, image: x, depends_on: [b]}]\nonshutdown: [{name: b, image: x}]\n');
    const completed = '{b: {condition: completed_successfully}}';
    await refused(
      `services: [{name: a, image: x, depends_on: ${completed}}, {name: b, image: x, restart: unless-stopped}]\n`,
    );
    const fine = `onboot: [{name: b, image: x}]\nservices: [{name: a, image: x, depends_on: ${completed}}]\n`;
    await expect(loadDefinitions([definition(`${head}${fine}`)])).resolves.toMatchObject({ onboot: [{ name: 'b' }] });
  });

  it('refuses a policy that the kind of component cannot have', async () => {
    const halting = definition(`${head}services: [{name: a, image: x, on_failure: halt}]\n`);
    await expect(loadDefinitions([halting])).rejects.toThrow('a has on_failure: halt');
    const critical = definition(`${head}onboot: [{name: a, image: x, critical: true}]\n`);
    await expect(loadDefinitions([critical])).rejects.toThrow('a cannot be critical');
  });

  it('refuses two components of one name, also across lists, and names that parts of the system have', async () => {
    const twice = definition(`${head}onboot: [{name: a, image: x}]\nservices: [{name: a, image: y}]\n`);
    await expect(loadDefinitions([twice])).rejects.toThrow('two components are called a');
    const taken = definition(`${head}services: [{name: kernel, image: y}]\n`);
    await expect(loadDefinitions([taken])).rejects.toThrow('two components are called kernel');
  });

  it('says which file does not exist', async () => {
    await expect(loadDefinitions(['/nowhere/os.yml'])).rejects.toThrow('/nowhere/os.yml: no such file');
  });
});
