import { connect } from 'node:net';
import type { Healthcheck } from '../../src/shared/definition/component-config.ts';
import { execInContainer } from '../engine/exec-once.ts';
import { hostCommand } from '../native/host-command.ts';
import { run } from '../native/run.ts';

export interface ProbeTarget {
  /** The container's. */
  name: string;
  pid: number;
  /** Whether the container shares the device's network namespace, as this process does. */
  hostNetwork: boolean;
}

export interface ProbeOutcome {
  /** 0 = healthy, -1 = no answer in time. */
  exitCode: number;
  output: string;
}

/** Asks once whether a container is well, in the way its health check says. */
export function probe(check: Healthcheck, target: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome> {
  if (check.http !== undefined) {
    return target.hostNetwork
      ? probeHttp(check.http, timeoutMs)
      : inNetwork(target, ['wget', '-q', '-O', '/dev/null', check.http], timeoutMs);
  }
  if (check.tcp !== undefined) {
    const { host, port } = splitAddress(check.tcp);
    return target.hostNetwork
      ? probeTcp(host, port, timeoutMs)
      : inNetwork(target, ['nc', '-z', host, String(port)], timeoutMs);
  }
  return execInContainer(target.name, testCommand(check.test ?? []), timeoutMs);
}

/** Compose's `test`: a string or `CMD-SHELL` is run by the image's shell. */
export function testCommand(test: string | string[]): string[] {
  if (typeof test === 'string') return ['/bin/sh', '-c', test];
  const [kind, ...rest] = test;
  if (kind === 'CMD') return rest;
  if (kind === 'CMD-SHELL') return ['/bin/sh', '-c', rest.join(' ')];
  return test;
}

/** `host:port`, with brackets around an IPv6 address. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

async function probeHttp(url: string, timeoutMs: number): Promise<ProbeOutcome> {
  const secure = url.startsWith('https:');
  const { get } = secure ? await import('node:https') : await import('node:http');
  return new Promise((resolve) => {
    // A device's own page often has a certificate that only its users can check: the question here is whether it answers.
    const request = get(url, { agent: false, rejectUnauthorized: false, timeout: timeoutMs }, (response) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      finish({ exitCode: status >= 200 && status < 400 ? 0 : 1, output: `HTTP ${status} from ${url}` });
    });
    const timer = setTimeout(
      () => finish({ exitCode: -1, output: `no answer from ${url} in ${timeoutMs} ms` }),
      timeoutMs,
    );
    const finish = (outcome: ProbeOutcome) => {
      clearTimeout(timer);
      request.destroy();
      resolve(outcome);
    };
    request.on('error', (error) => finish({ exitCode: 1, output: `${url}: ${error.message}` }));
  });
}

function probeTcp(host: string, port: number, timeoutMs: number): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (outcome: ProbeOutcome) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => finish({ exitCode: -1, output: `no answer from ${host}:${port}` }), timeoutMs);
    socket.on('connect', () => finish({ exitCode: 0, output: `${host}:${port} accepts connections` }));
    socket.on('error', (error) => finish({ exitCode: 1, output: error.message }));
  });
}

/** Asks from inside the container's network, with the device's busybox. */
async function inNetwork(target: ProbeTarget, applet: string[], timeoutMs: number): Promise<ProbeOutcome> {
  const network = `--net=/proc/${target.pid}/ns/net`;
  const command = hostCommand(['busybox', 'nsenter', network, '--', 'busybox', ...applet]);
  const result = await run(command, { timeoutMs });
  if (result.timedOut) return { exitCode: -1, output: `no answer in ${timeoutMs} ms` };
  return { exitCode: result.code ?? 1, output: `${result.stdout}${result.stderr}`.trim() };
}
