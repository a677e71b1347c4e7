import { readFile } from 'node:fs/promises';
import { type Document, isAlias, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { ComposeError } from './errors.ts';

/** Reads a YAML file and checks it; every mistake is named with file:line:column, nothing is guessed. */
export async function readYaml<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ComposeError(error.code === 'ENOENT' ? 'no such file' : error.message, path);
  });
  return parseYaml(text, path, schema);
}

/** `path` is only for messages. */
export function parseYaml<T>(text: string, path: string, schema: z.ZodType<T>): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new ComposeError(broken.message, `${path}:${line}:${col}`);
  }
  const result = schema.safeParse(toValue(document, path, lines) ?? {});
  if (result.success) return result.data;
  const messages = result.error.issues.flatMap(flattenIssue).map((issue) => {
    const offset = offsetOf(document, issue.path);
    const { line, col } = lines.linePos(offset);
    const at = issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ` : '';
    return `${path}:${line}:${col}: ${at}${issue.message}`;
  });
  throw new ComposeError([...new Set(messages)].join('\n'));
}

/** The plain value; an alias without its anchor, or one that multiplies itself without end, is a mistake in the file. */
function toValue(document: Document, path: string, lines: LineCounter): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    let at = 0;
    visit(document, (_key, node) => {
      if (at === 0 && isAlias(node) && node.resolve(document) === undefined) at = node.range?.[0] ?? 0;
    });
    const { line, col } = lines.linePos(at);
    throw new ComposeError((error as Error).message, `${path}:${line}:${col}`);
  }
}

interface Issue {
  path: PropertyKey[];
  message: string;
}

/** An unknown key is reported at the key; of a union, the alternative that fits best speaks. */
function flattenIssue(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'unknown key' }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const best = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
    if (depth(best) > 0)
      return best.flatMap((inner) => flattenIssue({ ...inner, path: [...issue.path, ...inner.path] }));
  }
  return [{ path: issue.path, message: issue.message }];
}

function depth(issues: z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

/** Byte offset of the node that a path leads to; of the nearest one above when it does not exist (a missing key). */
function offsetOf(document: ReturnType<typeof parseDocument>, path: PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    const parent = document.getIn(path.slice(0, length - 1), true) as { items?: unknown[] } | undefined;
    for (const item of parent?.items ?? []) {
      const pair = item as { key?: { value?: unknown; range?: [number, number, number] } };
      if (pair.key?.value === path[length - 1] && pair.key?.range) return pair.key.range[0];
    }
    const range = (node as { range?: [number, number, number] } | undefined)?.range;
    if (range) return range[0];
  }
  return 0;
}
