import { copyFile, rm } from 'node:fs/promises';
import { z } from 'zod';
import { digestSchema } from '../../src/shared/definition/revision.ts';
import { appendLineDurably, readIfThere, setAside, writeFileDurably } from '../store/durable.ts';
import { messageOf } from '../store/errors.ts';

/** The history of a device's revisions: one JSON object a line, only ever appended to. */
const recordSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('made'),
    number: z.number().int().nonnegative(),
    digest: digestSchema,
    at: z.iso.datetime(),
    reason: z.string(),
    /** The number of the revision it was made from. */
    base: z.number().int().nonnegative().optional(),
    /** Against that one, as people read it: its content may be collected one day. */
    changes: z
      .array(
        z.strictObject({
          name: z.string(),
          from: z.string().optional(),
          to: z.string().optional(),
          fields: z.array(z.string()).optional(),
        }),
      )
      .optional(),
  }),
  z.strictObject({ type: z.literal('committed'), number: z.number().int().nonnegative(), at: z.iso.datetime() }),
  z.strictObject({
    type: z.literal('failed'),
    number: z.number().int().nonnegative(),
    at: z.iso.datetime(),
    failure: z.string(),
    /** What is not to be taken again. */
    refuse: z
      .array(z.strictObject({ component: z.string(), digest: digestSchema, spec: digestSchema.optional() }))
      .optional(),
    /** Cut short, by a restart or otherwise, rather than found to be bad. */
    interrupted: z.boolean().optional(),
  }),
  /** Its content was removed to make room. */
  z.strictObject({ type: z.literal('collected'), number: z.number().int().nonnegative(), at: z.iso.datetime() }),
]);
export type LogRecord = z.infer<typeof recordSchema>;

/**
 * The records of the file. Lines that are no records (a power cut in the middle of one, a bad sector) are dropped: the
 * file is kept as it was under another name, and replaced by its good lines. `report` gets a sentence about it.
 */
export async function readLog(path: string, report: (message: string) => void): Promise<LogRecord[]> {
  const text = await readIfThere(path).catch(async (error: unknown) => {
    report(`the log of revisions cannot be read (${messageOf(error)}); kept as ${await setAside(path)}`);
    return undefined;
  });
  if (text === undefined) return [];
  const lines = text.split('\n').filter((line) => line !== '');
  const records = lines.map(parseLine).filter((record) => record !== undefined);
  const whole = records.length === lines.length && (text === '' || text.endsWith('\n'));
  if (whole) return records;
  try {
    const copy = `${path}.copy`;
    await rm(copy, { recursive: true, force: true });
    await copyFile(path, copy);
    report(`the log of revisions has damaged lines, which are dropped; the file as it was is ${await setAside(copy)}`);
    await writeFileDurably(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  } catch (error) {
    report(`the log of revisions has damaged lines and cannot be mended now: ${messageOf(error)}`);
    await rm(`${path}.copy`, { force: true }).catch(() => undefined);
  }
  return records;
}

export async function appendLog(path: string, record: LogRecord): Promise<void> {
  await appendLineDurably(path, JSON.stringify(record));
}

function parseLine(line: string): LogRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
