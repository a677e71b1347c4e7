import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../store/test-support.ts';
import { whyNoSlots } from './why-no-slots.ts';

it('a device without a data partition, or without kexec, says why nothing can be started from a slot', async () => {
  const folder = await temporaryFolder();
  const files = { loaded: join(folder, 'kexec_loaded'), disabled: join(folder, 'kexec_load_disabled') };
  const ask = (persistent: boolean, slot?: string) => whyNoSlots({ persistent, slot, files });
  expect(await ask(false)).toMatch(/no data partition/);
  expect(await ask(true)).toMatch(/built without kexec/);
  // What was started from a slot shows that the image on the disk can.
  expect(await ask(true, 'a')).toBeUndefined();
  await writeFile(files.loaded, '0\n');
  await writeFile(files.disabled, '0\n');
  expect(await ask(true)).toBeUndefined();
  await writeFile(files.disabled, '1\n');
  expect(await ask(true)).toMatch(/switched off/);
});
