import { z } from 'zod';
import { code } from './markdown.ts';

/** As much of JSON Schema as zod writes for the files that people write. */
const nodeSchema = z.object({
  type: z.string().optional(),
  enum: z.array(z.string()).optional(),
  required: z.array(z.string()).default([]),
  properties: z.record(z.string(), z.unknown()).optional(),
  additionalProperties: z.unknown().optional(),
  items: z.unknown().optional(),
  prefixItems: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
});

/** What each field of a schema is for, by its path: `healthcheck.http`. */
export type FieldWords = Record<string, string>;

/** The schema of the value at `path` of an object; `[]` steps into a list. */
export function schemaAt(schema: z.ZodType, ...path: string[]): unknown {
  let node: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  for (const step of path) {
    const { properties, items } = nodeSchema.parse(node);
    node = step === '[]' ? items : properties?.[step];
  }
  return node;
}

/**
 * Rows (field, value, words) for an object's fields and, indented by their path, those of objects within. `stopAt` are
 * fields that have a table of their own. Throws when a field has no words, or words no field: then these words are stale.
 */
export function fieldRows(schema: unknown, words: FieldWords, stopAt: readonly string[] = []): string[][] {
  const unused = new Set(Object.keys(words));
  const rows = (node: unknown, prefix: string): string[][] => {
    const { properties = {}, required } = nodeSchema.parse(node);
    return Object.entries(properties).flatMap(([name, value]) => {
      const path = `${prefix}${name}`;
      const text = words[path];
      if (text === undefined) throw new Error(`the field ${path} has no words in scripts/docs`);
      unused.delete(path);
      const needed = required.includes(name) ? `${text} Required.` : text;
      const inner = stopAt.includes(path) ? undefined : objectWithin(value);
      return [[code(path), typeName(value), needed], ...(inner === undefined ? [] : rows(inner, `${path}.`))];
    });
  };
  const found = rows(schema, '');
  if (unused.size > 0) throw new Error(`words in scripts/docs for fields that do not exist: ${[...unused].join(', ')}`);
  return found;
}

/** The object whose fields deserve rows: the value itself, or what a list is made of. */
function objectWithin(value: unknown): unknown {
  const node = nodeSchema.parse(value);
  if (node.properties !== undefined) return value;
  return node.type === 'array' ? objectWithin(node.items) : undefined;
}

function typeName(value: unknown): string {
  const node = nodeSchema.parse(value ?? {});
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(typeName))].join(', or ');
  if (node.enum !== undefined) return node.enum.map(code).join(', ');
  switch (node.type) {
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return '`true` or `false`';
    case 'array':
      return `list: ${node.prefixItems?.map(typeName).join(', ') ?? typeName(node.items)}`;
    case 'object':
      return node.properties === undefined ? `map: name → ${typeName(node.additionalProperties)}` : fieldNames(node);
    case 'null':
      return '`null`';
    default:
      return 'any';
  }
}

function fieldNames(node: z.infer<typeof nodeSchema>): string {
  return Object.keys(node.properties ?? {}).length > 3
    ? 'fields'
    : Object.keys(node.properties ?? {})
        .map(code)
        .join(', ');
}
