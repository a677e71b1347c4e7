import { z } from 'zod';
import { formatBytes } from '../shared/text/format.ts';

/** What people are shown of Docker's description. Another engine may leave out what Gantry adds. */
const description = z.object({
  Name: z.string(),
  Image: z.string(),
  Path: z.string().default(''),
  Args: z.array(z.string()).nullish(),
  State: z.object({
    Status: z.string(),
    Pid: z.number().default(0),
    ExitCode: z.number().default(0),
    Error: z.string().default(''),
    StartedAt: z.string().default(''),
    Health: z.object({ Status: z.string() }).nullish(),
  }),
  RestartCount: z.number().default(0),
  Config: z.object({ Image: z.string().default(''), User: z.string().default('') }),
  HostConfig: z.object({
    RestartPolicy: z.object({ Name: z.string() }).nullish(),
    NetworkMode: z.string().default(''),
    ReadonlyRootfs: z.boolean().default(false),
    Memory: z.number().default(0),
    NanoCpus: z.number().default(0),
    PidsLimit: z.number().nullish(),
  }),
  Mounts: z.array(z.object({ Source: z.string(), Destination: z.string(), RW: z.boolean() })).default([]),
  Gantry: z.object({ Kind: z.string(), Grants: z.array(z.string()) }).optional(),
});
type Description = z.infer<typeof description>;

/** A system container in words, a fact a line. */
export function describeContainer(document: unknown): string {
  const parsed = description.safeParse(document);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(
      `the device describes it otherwise than Docker does (${issue?.path.join('.')}): see it with --json`,
    );
  }
  const known = parsed.data;
  const facts: [string, string][] = [
    ['name', known.Name.replace(/^\//, '')],
    ['image', `${known.Config.Image} (${known.Image.slice(0, 19)})`],
    ...(known.Gantry ? [['kind', known.Gantry.Kind] satisfies [string, string]] : []),
    ['state', stateOf(known)],
    ['restart', `${known.HostConfig.RestartPolicy?.Name || 'no'}; restarted ${known.RestartCount} times`],
    ['command', [known.Path, ...(known.Args ?? [])].join(' ')],
    ['user', known.Config.User || 'root'],
    ['network', known.HostConfig.NetworkMode === 'host' ? "the device's" : known.HostConfig.NetworkMode],
    ['root', known.HostConfig.ReadonlyRootfs ? 'read-only' : 'can be written'],
    ['limits', limitsOf(known)],
  ];
  const mounts = known.Mounts.map(
    ({ Source, Destination, RW }) =>
      `${Destination} ← ${Source || 'not there yet'} (${RW ? 'read-write' : 'read-only'})`,
  );
  return [
    ...facts.map(([name, value]) => `${name.padEnd(12)}${oneLine(value)}\n`),
    ...list('mounts', mounts),
    ...(known.Gantry ? list('may, beyond the defaults', known.Gantry.Grants, 'nothing') : []),
  ].join('');
}

function stateOf({ State: state }: Description): string {
  const health = state.Health ? `, ${state.Health.Status}` : '';
  if (state.Status === 'running') return `running${health}; pid ${state.Pid}, since ${state.StartedAt}`;
  const why = state.Error ? `: ${state.Error}` : '';
  return state.Status === 'exited' ? `exited with code ${state.ExitCode}${why}` : `${state.Status}${why}`;
}

function limitsOf({ HostConfig: limits }: Description): string {
  const words = [
    ...(limits.Memory > 0 ? [`${formatBytes(limits.Memory)} of memory`] : []),
    ...(limits.NanoCpus > 0 ? [`${limits.NanoCpus / 1e9} processors`] : []),
    ...((limits.PidsLimit ?? 0) > 0 ? [`${limits.PidsLimit} processes`] : []),
  ];
  return words.join(', ') || 'none';
}

/** A fact is one line: a component must not add others to what is said of it. */
function oneLine(text: string): string {
  return text.replaceAll('\n', '^J');
}

function list(title: string, lines: string[], none?: string): string[] {
  if (lines.length > 0) return [`${title}:\n`, ...lines.map((line) => `  ${oneLine(line)}\n`)];
  return none === undefined ? [] : [`${title}: ${none}\n`];
}
