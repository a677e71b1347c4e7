import { parseNanos } from './k8s-line.ts';
import { readLog } from './reader.ts';

/** The last lines of a log as text, not older than `since` (RFC 3339). Empty when there is no log. */
export async function lastLines(path: string, count: number, since?: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { text } of readLog(path, { tail: count, since: since ? parseNanos(since) : undefined })) {
    lines.push(text.toString('utf8').trimEnd());
  }
  return lines;
}
