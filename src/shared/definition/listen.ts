import { isIPv4, isIPv6 } from 'node:net';
import type { ComponentConfig } from './component-config.ts';

/** A socket that the device opens for a component. */
export type ListenAddress = { family: 'inet' | 'inet6'; host: string; port: number } | { family: 'unix'; path: string };

/** The kernel's limit is 108 bytes, the final zero included. */
export const longestSocketPath = 107;

/**
 * An element of `listen`: `0.0.0.0:80`, `[::]:80` or the path of a unix socket below /run. Throws with a sentence when it
 * is none of these.
 */
export function parseListen(text: string): ListenAddress {
  if (text.startsWith('/')) {
    if (!text.startsWith('/run/') || text.split('/').includes('..'))
      throw new Error(`listen "${text}": a unix socket of the device is below /run`);
    if (Buffer.byteLength(text) > longestSocketPath)
      throw new Error(`listen "${text}": the path of a unix socket has at most ${longestSocketPath} bytes`);
    return { family: 'unix', path: text };
  }
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(text.slice(colon + 1));
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new Error(`listen "${text}": the port is not between 1 and 65535`);
  if (isIPv4(host)) return { family: 'inet', host, port };
  if (isIPv6(host)) return { family: 'inet6', host, port };
  throw new Error(`listen "${text}": ${host} is not an IP address; 0.0.0.0 and [::] are all of the device's`);
}

/** Why the sockets or the strategy of a component cannot work; undefined when they can. `config`: image and definition merged. */
export function listenFault(config: ComponentConfig): string | undefined {
  const listen = config.listen ?? [];
  try {
    for (const address of listen) parseListen(address);
  } catch (error) {
    return (error as Error).message;
  }
  const twice = listen.find((address, at) => listen.indexOf(address) !== at);
  if (twice !== undefined) return `listen names ${twice} twice`;
  if (listen.length > 0 && (config.net ?? 'host') !== 'host')
    return "listen needs the device's network (net: host): the device opens the sockets, in its own network";
  if (listen.length > 0 && (config.pid ?? 'new') !== 'new')
    return 'listen needs a PID namespace of its own (pid: new): LISTEN_PID names the first process, which is 1 there';
  if (config.swap?.strategy === 'handover' && listen.length === 0)
    return 'swap by handover needs listen: the sockets that the device keeps open meanwhile';
  return overlapFault(config);
}

/**
 * While two containers share the device's network, a question to a port may be answered by either of them: it would prove
 * nothing about the new one.
 */
function overlapFault({ swap, healthcheck, net = 'host' }: ComponentConfig): string | undefined {
  if (swap?.strategy !== 'overlap' || net === 'new' || healthcheck?.disable) return undefined;
  const asked = healthcheck?.http ?? healthcheck?.tcp;
  if (asked === undefined) return undefined;
  return `swap by overlap: the old container may answer the probe of ${asked}, as both share a network; use ready, a test command that asks the container itself (such as a unix socket in it), or net: new`;
}
