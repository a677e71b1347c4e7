import { parseSignal } from '../native/signals.ts';
import type { Component } from '../supervisor/component.ts';
import type { ContainerEvent } from '../supervisor/types.ts';
import { dockerState, inspectionOf, summaryOf } from './container-json.ts';
import type { ApiContext } from './context.ts';
import { boolOf, filtersOf, integerOf } from './filters.ts';
import { sendEmpty, sendJson } from './respond.ts';
import { type Call, HttpError, type Route } from './router.ts';

/** Listing and inspecting system containers, and what a person does with them. */
export function containerRoutes({ supervisor }: ApiContext): Route[] {
  const find = (call: Call) => supervisor.find(call.params.id ?? '');

  /** What a person starts and stops is the container in force: a swap decides about the other one. */
  const findInForce = (call: Call) => {
    const component = find(call);
    if (!component.beside) return component;
    const why = `${component.containerName} is being swapped in`;
    throw new HttpError(409, `${why}; wait until the swap has ended, or name ${component.name}`);
  };

  const stopOptions = ({ query }: Call) => ({
    timeoutSeconds: integerOf('t', query.get('t')),
    signal: signalOf(query.get('signal')),
  });

  return [
    {
      method: 'GET',
      pattern: '/containers/json',
      handler: ({ response, query }) => {
        const limit = integerOf('limit', query.get('limit')) ?? -1;
        const filters = filtersOf(query.get('filters'));
        const all = boolOf(query.get('all')) || limit > 0 || filters.has('status') || filters.has('exited');
        const found = supervisor
          .instances()
          .filter((component) => all || dockerState(component) === 'running')
          .filter((component) => passes(component, filters));
        sendJson(response, 200, (limit > 0 ? found.slice(0, limit) : found).map(summaryOf));
      },
    },
    {
      method: 'GET',
      pattern: '/containers/{id}/json',
      handler: (call) => sendJson(call.response, 200, inspectionOf(find(call))),
    },
    {
      method: 'POST',
      pattern: '/containers/{id}/start',
      handler: async (call) => {
        const component = findInForce(call);
        if (component.running) return sendEmpty(call.response, 304);
        await supervisor.start(component.name);
        sendEmpty(call.response);
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{id}/stop',
      handler: async (call) => {
        const component = findInForce(call);
        const running = component.running;
        await supervisor.stop(component.name, stopOptions(call));
        sendEmpty(call.response, running ? 204 : 304);
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{id}/restart',
      handler: async (call) => {
        await supervisor.restart(findInForce(call).name, stopOptions(call));
        sendEmpty(call.response);
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{id}/kill',
      handler: async (call) => {
        const component = findInForce(call);
        const text = signalOf(call.query.get('signal')) ?? 'SIGKILL';
        const done = await supervisor.kill(component.name, parseSignal(text) ?? 'SIGKILL');
        if (!done) throw new HttpError(409, `cannot kill container: ${component.name} is not running`);
        sendEmpty(call.response);
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{id}/wait',
      handler: (call) => waitFor(find(call), call, supervisor),
    },
  ];
}

/** The headers leave at once: `docker run` waits for them before it starts the container. */
async function waitFor(component: Component, { query, response }: Call, supervisor: ApiContext['supervisor']) {
  const condition = query.get('condition') ?? 'not-running';
  if (!['not-running', 'next-exit', 'removed', ''].includes(condition)) {
    throw new HttpError(400, `condition ${condition} is not one of not-running, next-exit, removed`);
  }
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  const done = condition === 'removed' ? 'destroy' : 'die';
  let code = component.state.exitCode;
  if (component.running || condition === 'next-exit' || condition === 'removed') {
    // Another container of this component, which a swap has put beside it, is none of ours.
    const { id } = component;
    await new Promise<void>((resolve) => {
      const finish = () => {
        supervisor.events.off('event', onEvent);
        resolve();
      };
      const onEvent = (event: ContainerEvent) => {
        if (event.id !== id) return;
        if (event.action === 'die') code = Number(event.attributes.exitCode ?? 0);
        if (event.action === done) finish();
      };
      supervisor.events.on('event', onEvent);
      response.once('close', finish);
    });
  }
  response.end(`${JSON.stringify({ StatusCode: code ?? 0, Error: null })}\n`);
}

function signalOf(text: string | null): string | undefined {
  if (text === null || text === '') return undefined;
  const signal = parseSignal(text);
  if (!signal) throw new HttpError(400, `invalid signal: ${text}`);
  return signal;
}

/** The filters that make sense here; those about networks match nothing, unknown ones are ignored. */
function passes(component: Component, filters: Map<string, string[]>): boolean {
  const matches: Record<string, (value: string) => boolean> = {
    id: (value) => component.id.startsWith(value),
    name: (value) =>
      component.containerName.includes(value.replace(/^\//, '')) || fitsPattern(value, component.containerName),
    status: (value) => value === dockerState(component),
    health: (value) => value === component.health,
    ancestor: (value) => value === component.image?.ref || (component.image?.digest ?? '').includes(value),
    exited: (value) => component.state.phase === 'exited' && component.state.exitCode === Number(value),
    label: (value) => {
      const [key = '', wanted] = value.split(/=(.*)/s);
      const labels: Record<string, string> = summaryOf(component).Labels;
      return wanted === undefined ? key in labels : labels[key] === wanted;
    },
    network: () => false,
    volume: (value) => summaryOf(component).Mounts.some((mount) => [mount.Name, mount.Destination].includes(value)),
  };
  return [...filters].every(([key, values]) => {
    const match = matches[key];
    if (!match || values.length === 0) return true;
    // Labels must all fit; of every other filter one value is enough.
    return key === 'label' ? values.every(match) : values.some(match);
  });
}

function fitsPattern(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern).test(`/${name}`) || new RegExp(pattern).test(name);
  } catch {
    return false;
  }
}
