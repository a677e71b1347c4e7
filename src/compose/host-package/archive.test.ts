import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { file } from '../oci/entry.ts';
import { writeArchive } from './archive.ts';

it('says that the disk is full, and does not wait for ever', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-archive-'));
  const large = join(dir, 'root.img');
  writeFileSync(large, Buffer.alloc(4 << 20));
  const entries = [file('busybox', Buffer.alloc(3 << 20), 0o755)];
  await expect(writeArchive('/dev/full', entries, large)).rejects.toMatchObject({ code: 'ENOSPC' });
  rmSync(dir, { recursive: true });
});
