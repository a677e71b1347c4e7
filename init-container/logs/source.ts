import { appendFileSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { LogFile, namesOf } from './files.ts';
import { k8sLine, parseK8sLine } from './k8s-line.ts';

/** One line of a source of our own, such as the kernel. */
export interface SourceLine {
  nanos: bigint;
  stream: 'stdout' | 'stderr';
  /** Which of the source's records it is: what is written is found again by it. Without spaces. */
  tag: string;
  text: string;
}

/** Appends lines to a log that this process writes itself, in the format of the others. */
export function appendLines(path: string, lines: readonly SourceLine[]): void {
  if (lines.length === 0) return;
  const text = lines.map(({ nanos, stream, tag, text }) => k8sLine(nanos, stream, tag, text.replace(/[\r\n]+/g, ' ')));
  appendFileSync(path, text.join(''), { mode: 0o600 });
}

/** The tag of the last line of the log; undefined when it has none. A torn end is made a line of its own before. */
export async function lastTag(path: string): Promise<string | undefined> {
  await endLastLine(path);
  for (const name of namesOf(path)) {
    const file = await LogFile.open(name);
    if (!file) continue;
    try {
      await file.seekToTail(1);
      let last: string | undefined;
      for await (const { bytes } of file.lines()) last = parseK8sLine(bytes)?.tag ?? last;
      if (last !== undefined) return last;
    } finally {
      await file.close();
    }
  }
  return undefined;
}

/** A power cut may have torn the last line: what is written next must not become part of it. */
export async function endLastLine(path: string): Promise<void> {
  const file = await open(path, 'r+').catch(() => undefined);
  if (!file) return;
  try {
    const { size } = await file.stat();
    if (size === 0) return;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    if (buffer[0] !== 10) await file.write('\n', size);
  } finally {
    await file.close();
  }
}

/** The beginning of the kernel's identity of this boot: enough to tell it from the one before. */
export function shortBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
}
