import { pipeline } from 'node:stream/promises';
import { execa } from 'execa';
import { ComposeError } from '../errors.ts';
import type { Entry } from '../oci/entry.ts';
import { pack, writeEntry } from '../oci/tar.ts';

/** The next level that makes the demo smaller (12, by 0.4 %) takes three times as long. */
const compressionLevel = '9';

/** Writes a squashfs of the entries, in their order, without root: a tar stream through mksquashfs. Same input, same bytes. */
export async function writeRootImage(path: string, entries: AsyncIterable<Entry>): Promise<void> {
  const args = [
    ...['-', path, '-tar', '-comp', 'zstd', '-Xcompression-level', compressionLevel, '-b', '131072'],
    ...['-mkfs-time', '0', '-all-time', '0', '-root-mode', '755', '-noappend', '-no-progress', '-quiet'],
  ];
  const child = execa('mksquashfs', args, { stdin: 'pipe', reject: false, env: { SOURCE_DATE_EPOCH: undefined } });
  const tar = pack();
  // When the reader dies early it says why itself; the broken pipe is only the echo of that.
  const feeding = (async () => {
    for await (const entry of entries) await writeEntry(tar, entry);
    tar.finalize();
  })().then(
    () => undefined,
    (error: Error) => error,
  );
  const piping = pipeline(tar, child.stdin).then(
    () => undefined,
    (error: Error) => error,
  );
  const outcome = await child;
  if (outcome.exitCode === 0) {
    const problem = (await feeding) ?? (await piping);
    if (problem !== undefined) throw problem;
    return;
  }
  // What the entries come from may have failed: then mksquashfs saw only a cut-off tar.
  tar.destroy();
  const cause = await feeding;
  if (cause instanceof ComposeError) throw cause;
  if (outcome.exitCode === undefined)
    throw new ComposeError('mksquashfs is missing: install squashfs-tools 4.5 or newer');
  const said = outcome.stderr.trim();
  if (/no space left/i.test(said))
    throw new ComposeError(`no space left on the disk while writing ${path}; free some and build again`);
  throw new ComposeError(`mksquashfs failed: ${said}`);
}
