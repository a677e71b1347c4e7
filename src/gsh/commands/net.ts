import { readdir, readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { addJsonOption, printJson, table } from '../../cli/output.ts';
import { formatBytes } from '../../shared/text/format.ts';

interface Interface {
  name: string;
  /** `up`, `down`, `unknown`: the kernel's operstate. */
  state: string;
  mac?: string;
  /** With the length of their prefix: `10.0.2.15/24`. */
  addresses: string[];
  receivedBytes: number;
  sentBytes: number;
}

interface Route {
  to: string;
  via?: string;
  interface: string;
}

export function register(program: Command): void {
  const command = program
    .command('net')
    .summary('addresses, routes and name servers')
    .description('Shows the network interfaces of the device with their addresses, its routes, and its name servers.');
  addJsonOption(command).action(async (options: { json?: boolean }) => {
    const net = {
      interfaces: await interfaces(),
      routes: routesIn(await textOf('/proc/net/route')),
      nameServers: nameServersIn(await textOf('/etc/resolv.conf')),
    };
    if (options.json) printJson(net);
    else process.stdout.write(describe(net.interfaces, net.routes, net.nameServers));
  });
}

async function interfaces(root = '/sys/class/net'): Promise<Interface[]> {
  const known = networkInterfaces();
  const names = await readdir(root);
  return Promise.all(
    names.map(async (name) => {
      const read = async (file: string) => (await textOf(join(root, name, file))).trim();
      const mac = await read('address');
      return {
        name,
        state: (await read('operstate')) || 'unknown',
        ...(mac === '' || /^[0:]+$/.test(mac) ? {} : { mac }),
        addresses: (known[name] ?? []).flatMap(({ cidr }) => cidr ?? []),
        receivedBytes: Number(await read('statistics/rx_bytes')),
        sentBytes: Number(await read('statistics/tx_bytes')),
      };
    }),
  );
}

/** From /proc/net/route: the numbers are hexadecimal in the byte order of the processor, which is little-endian here. */
export function routesIn(text: string): Route[] {
  const lines = text.split('\n').slice(1).filter(Boolean);
  return lines.map((line) => {
    const [name = '', destination = '', gateway = '', , , , , mask = ''] = line.split('\t');
    const bits = [...Number.parseInt(mask, 16).toString(2)].filter((bit) => bit === '1').length;
    const to = bits === 0 ? 'default' : `${addressOf(destination)}/${bits}`;
    return { to, ...(Number.parseInt(gateway, 16) === 0 ? {} : { via: addressOf(gateway) }), interface: name };
  });
}

function addressOf(hex: string): string {
  return (hex.match(/../g) ?? [])
    .map((byte) => Number.parseInt(byte, 16))
    .reverse()
    .join('.');
}

export function nameServersIn(text: string): string[] {
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)].flatMap(([, server]) => server ?? []);
}

async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function describe(interfaces: Interface[], routes: Route[], nameServers: string[]): string {
  const rows = interfaces.map((one) => [
    one.name,
    one.state,
    one.addresses.join(', ') || '-',
    one.mac ?? '-',
    formatBytes(one.receivedBytes),
    formatBytes(one.sentBytes),
  ]);
  const text = [table(['NAME', 'STATE', 'ADDRESSES', 'MAC', 'RECEIVED', 'SENT'], rows)];
  if (routes.length > 0) {
    const lines = routes.map((route) => [route.to, route.via ?? '-', route.interface]);
    text.push('', table(['ROUTE', 'VIA', 'INTERFACE'], lines));
  }
  text.push('', `name servers: ${nameServers.join(', ') || 'none'}`);
  return `${text.join('\n')}\n`;
}
