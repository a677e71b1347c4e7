/** One line of conmon's `k8s-file` log: `2026-11-21T23:21:44.243807102+00:00 stdout F text`. */
export interface K8sLine {
  stream: 'stdout' | 'stderr';
  /** Nanoseconds since the epoch. */
  nanos: bigint;
  /** The container has not ended this line yet: the next line of the same stream goes on with it. */
  partial: boolean;
  /** What stands behind `F:`, without the colon: where our own sources say which of their records this line is. */
  tag?: string;
  text: Buffer;
}

const space = 0x20;

/**
 * Undefined when the line is not in that format: a torn write, or not a log at all. Bytes of `text` are kept as they are.
 * Zero bytes in front, which a power cut leaves where blocks were not written yet, are passed over.
 */
export function parseK8sLine(raw: Buffer): K8sLine | undefined {
  const line = raw[0] === 0 ? raw.subarray(raw.findIndex((byte) => byte !== 0)) : raw;
  const first = line.indexOf(space);
  const second = first < 0 ? -1 : line.indexOf(space, first + 1);
  const third = second < 0 ? -1 : line.indexOf(space, second + 1);
  if (third < 0) return undefined;
  const nanos = parseNanos(line.toString('latin1', 0, first));
  const stream = line.toString('latin1', first + 1, second);
  const [full, ...tags] = line.toString('latin1', second + 1, third).split(':');
  if (nanos === undefined || (stream !== 'stdout' && stream !== 'stderr') || (full !== 'F' && full !== 'P'))
    return undefined;
  const tag = tags.length > 0 ? { tag: tags.join(':') } : {};
  return { stream, nanos, partial: full === 'P', ...tag, text: line.subarray(third + 1) };
}

/** A full line in that format, with its newline. `text` must not contain one. */
export function k8sLine(nanos: bigint, stream: K8sLine['stream'], tag: string, text: string): string {
  return `${formatNanos(nanos)} ${stream} F${tag === '' ? '' : `:${tag}`} ${text}\n`;
}

/** RFC 3339 with up to nine decimals, as nanoseconds since the epoch. Undefined when it is not that. */
export function parseNanos(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return undefined;
  const seconds = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(seconds)) return undefined;
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** As Docker prints it: UTC with nine decimals. */
export function formatNanos(nanos: bigint): string {
  const seconds = nanos / 1_000_000_000n;
  const fraction = String(nanos % 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}
