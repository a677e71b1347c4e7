import { serialTarget } from '../transport/serial/target.ts';
import { UnknownDeviceError } from './errors.ts';

/** A device as a person writes it, taken apart. `name`: one of the known devices or of the running emulators. */
export type Target =
  | { kind: 'ssh'; host: string; port?: number; user?: string }
  | { kind: 'serial'; path: string; baud?: number; fast?: number; flow?: 'rtscts' | 'xonxoff' }
  | { kind: 'unix'; path: string }
  | { kind: 'qemu'; name: string; via?: 'ssh' | 'serial' }
  | { kind: 'name'; name: string };

const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const forms =
  'a known name, ssh://[USER@]HOST[:PORT], serial:/dev/TTY[?baud=N&fast=N&flow=rtscts|xonxoff], unix:/PATH or qemu:NAME[?via=serial|ssh]';

/** Throws `UnknownDeviceError` on text that is none of the forms, saying what is wrong with it. */
export function parseTarget(text: string): Target {
  const scheme = /^([a-z]+):/.exec(text)?.[1];
  const rest = scheme === undefined ? '' : text.slice(scheme.length + 1);
  switch (scheme) {
    case 'ssh':
      return parseSsh(text);
    case 'serial': {
      const { path, parameters } = split(text, rest, ['baud', 'fast', 'flow']);
      const baud = parameters.get('baud');
      const fast = parameters.get('fast');
      if (!path.startsWith('/')) throw wrong(text, 'the path of the serial line must start with /');
      for (const rate of [baud, fast])
        if (rate !== undefined && !/^[1-9]\d{2,7}$/.test(rate)) throw wrong(text, `${rate} is no baud rate`);
      const flow = parameters.get('flow');
      if (flow !== undefined && flow !== 'none' && flow !== 'rtscts' && flow !== 'xonxoff')
        throw wrong(text, `flow=${flow} is none of rtscts, xonxoff and none`);
      return {
        kind: 'serial',
        path,
        ...(baud !== undefined && { baud: Number(baud) }),
        ...(fast !== undefined && { fast: Number(fast) }),
        ...(flow !== undefined && flow !== 'none' && { flow }),
      };
    }
    case 'unix': {
      const path = rest.replace(/^\/\//, '');
      if (!path.startsWith('/')) throw wrong(text, 'the path of the socket must start with /');
      return { kind: 'unix', path };
    }
    case 'qemu': {
      const { path: name, parameters } = split(text, rest, ['via']);
      const via = parameters.get('via');
      if (!namePattern.test(name))
        throw wrong(text, 'the name of an emulator is missing or has other characters than a-z, 0-9, _ . -');
      if (via !== undefined && via !== 'ssh' && via !== 'serial')
        throw wrong(text, `via=${via} is neither ssh nor serial`);
      return { kind: 'qemu', name, ...(via && { via }) };
    }
    default:
      if (namePattern.test(text)) return { kind: 'name', name: text };
      throw wrong(text, `a device is ${forms}`);
  }
}

/** Whether this may be the name of a known device. */
export function isDeviceName(text: string): boolean {
  return namePattern.test(text);
}

/** The same, as text: what `gantry device ls` shows and -d takes. */
export function formatTarget(target: Target): string {
  switch (target.kind) {
    case 'ssh': {
      const host = target.host.includes(':') ? `[${target.host}]` : target.host;
      return `ssh://${target.user ? `${target.user}@` : ''}${host}${target.port ? `:${target.port}` : ''}`;
    }
    case 'serial':
      return serialTarget(target);
    case 'unix':
      return `unix:${target.path}`;
    case 'qemu':
      return `qemu:${target.name}${target.via ? `?via=${target.via}` : ''}`;
    case 'name':
      return target.name;
  }
}

function parseSsh(text: string): Target {
  const match = /^ssh:\/\/(?:([^@/]+)@)?(\[[0-9a-fA-F:.]+\]|[^@/:[\]]+)(?::(\d+))?\/?$/.exec(text);
  const host = match?.[2]?.replace(/^\[|\]$/g, '');
  if (!match || !host) throw wrong(text, 'it should read ssh://[USER@]HOST[:PORT]');
  const [, user, , port] = match;
  // A host that begins with "-" would be an option to other programs that read the same text.
  if (host.startsWith('-') || user?.startsWith('-')) throw wrong(text, 'neither host nor user may begin with "-"');
  if (user?.includes(':')) throw wrong(text, 'a password has no place in it: devices take keys only');
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) throw wrong(text, `${port} is no port`);
  return { kind: 'ssh', host, ...(user && { user: user }), ...(port && { port: Number(port) }) };
}

function split(text: string, rest: string, known: string[]): { path: string; parameters: Map<string, string> } {
  const [path = '', query = ''] = rest.split('?', 2);
  const parameters = new Map(new URLSearchParams(query));
  for (const name of parameters.keys()) {
    if (!known.includes(name)) throw wrong(text, `${name} is not known here; there is: ${known.join(', ')}`);
  }
  return { path, parameters };
}

function wrong(text: string, why: string): UnknownDeviceError {
  return new UnknownDeviceError(`${JSON.stringify(text)} is no device: ${why}`);
}
