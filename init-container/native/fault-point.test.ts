import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../store/test-support.ts';

/** Writes a file durably, twice, in a process of its own that looks for orders in `faults`. */
const program = (target: string) => `
  import { writeFileDurably } from ${JSON.stringify(join(import.meta.dirname, '../store/durable.ts'))};
  await writeFileDurably(${JSON.stringify(target)}, 'one', 'a');
  await writeFileDurably(${JSON.stringify(target)}, 'two', 'a').catch((error) => console.log(error.code));
`;

async function run(order: object | string | undefined, armed = true) {
  const folder = await temporaryFolder();
  const [faults, target] = [join(folder, 'faults'), join(folder, 'file')];
  if (order !== undefined) writeFileSync(faults, typeof order === 'string' ? order : JSON.stringify(order));
  const env = armed ? { GANTRY_FAULTS: faults } : {};
  const { stdout, stderr, signal } = await execa(process.execPath, ['--input-type=module', '-e', program(target)], {
    reject: false,
    env,
  });
  const content = existsSync(target) ? readFileSync(target, 'utf8') : undefined;
  return { folder, stdout, stderr, signal, content, ordered: existsSync(faults) };
}

describe('a fault', () => {
  it('kills the process at the point and at the passing that were ordered, once', async () => {
    expect(await run({ action: 'kill', point: 'written file a' })).toMatchObject({
      signal: 'SIGKILL',
      content: undefined,
      ordered: false,
    });
    expect(await run({ action: 'kill', point: 'written file a', nth: 2 })).toMatchObject({
      signal: 'SIGKILL',
      content: 'one',
    });
    expect(await run({ action: 'kill', point: 'renamed file a', nth: 2 })).toMatchObject({
      signal: 'SIGKILL',
      content: 'two',
    });
  });

  it('is an error of the disk', async () => {
    const full = await run({ action: 'enospc', point: 'before file a', nth: 2 });
    expect(full).toMatchObject({ stdout: 'ENOSPC', content: 'one', ordered: false });
    expect(await run({ action: 'eio', point: 'written file a', nth: 2 })).toMatchObject({
      stdout: 'EIO',
      content: 'one',
    });
  });

  it('is not ordered by a device that was not booted for it, nor by nonsense', async () => {
    expect(await run({ action: 'kill', point: 'before file a' }, false)).toMatchObject({
      content: 'two',
      ordered: true,
    });
    const nonsense = await run('{"action":"explode"}');
    expect(nonsense).toMatchObject({ content: 'two', ordered: true });
    expect(nonsense.stderr.match(/is no order for a fault/g)).toHaveLength(1);
  });
});

it('the points that are passed can be written down', async () => {
  const folder = await temporaryFolder();
  const to = join(folder, 'points');
  await run({ action: 'record', to });
  const once = ['before file a', 'written file a', 'renamed file a', 'after file a'];
  expect(readFileSync(to, 'utf8').trim().split('\n')).toEqual([...once, ...once]);
});
